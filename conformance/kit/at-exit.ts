let cleanups: (() => void)[] = [];

/**
 * Programs that a test file starts are ended with the file, at the latest with its process. Without
 * tests, as in a run by hand, they end with the process.
 */
if (process.env['VITEST'] !== undefined) (await import('vitest')).afterAll(runCleanups);
process.on('exit', runCleanups);

/** Registers a function for the end of the tests of this file. The returned function cancels it. */
export function atExit(step: () => void): () => void {
  cleanups.push(step);
  return () => void (cleanups = cleanups.filter((each) => each !== step));
}

/** In reverse order. The failure of one does not prevent the others. */
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
