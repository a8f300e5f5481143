let cleanups: (() => void)[] = [];

/**
 * What a file of tests has started ends with it, and at the latest with its process; without tests,
 * as in a run by hand, with that alone.
 */
if (process.env['VITEST'] !== undefined) (await import('vitest')).afterAll(runCleanups);
process.on('exit', runCleanups);

/** Has something done when the tests of this file are over; the answer calls it off. */
export function atExit(step: () => void): () => void {
  cleanups.push(step);
  return () => void (cleanups = cleanups.filter((each) => each !== step));
}

/** The last first; what one cannot do keeps no other from its turn. */
function runCleanups(): void {
  for (const step of cleanups.toReversed()) {
    try {
      step();
    } catch (error) {
      console.error(error);
    }
  }
  cleanups = [];
}
