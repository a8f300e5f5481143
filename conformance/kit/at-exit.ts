const steps = new Set<() => void>();
process.on('exit', () => {
  for (const step of steps) step();
});

/** Has something done when this process ends; the answer calls it off. */
export function atExit(step: () => void): () => void {
  steps.add(step);
  return () => void steps.delete(step);
}
