const steps: (() => void)[] = [];
process.on('exit', () => {
  // The last first, as things are taken down; what one cannot do keeps no other from its turn.
  for (const step of steps.toReversed()) {
    try {
      step();
    } catch (error) {
      console.error(error);
    }
  }
});

/** Has something done when this process ends; the answer calls it off. */
export function atExit(step: () => void): () => void {
  steps.push(step);
  return () => void steps.splice(steps.indexOf(step), 1);
}
