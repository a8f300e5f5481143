let steps: (() => void)[] = [];

/** What a file of tests has started ends with it, and at the latest with its process; without tests, as in a run by hand, with that alone. */
if (process.env['VITEST'] !== undefined) (await import('vitest')).afterAll(takeDown);
process.on('exit', takeDown);

/** Has something done when the tests of this file are over; the answer calls it off. */
export function atExit(step: () => void): () => void {
  steps.push(step);
  return () => void (steps = steps.filter((each) => each !== step));
}

/** The last first; what one cannot do keeps no other from its turn. */
function takeDown(): void {
  for (const step of steps.toReversed()) {
    try {
      step();
    } catch (error) {
      console.error(error);
    }
  }
  steps = [];
}
