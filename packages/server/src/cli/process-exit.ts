import { EXIT_CODES } from './exit-codes.ts';

/**
 * A process with nothing left to do ends by itself, at once. Turns are counted and not the time: on
 * a machine that stands still, both the last work and a timer are late.
 */
const TURNS_MAX = 20;
const TURN_MS = 100;

/**
 * Exits when the reader of a pipe has ended: `polycast follow '>' | head`. The command has nothing
 * left to do then.
 */
export function exitOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT_CODES.done.code);
  throw error;
}

/**
 * Ignores broken pipes. A hub goes on when its output has no reader any more (EPIPE, or EIO of a
 * terminal).
 */
export function ignoreBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.off('error', exitOnBrokenPipe).on('error', () => undefined);
}

/** The command has ended. The process ends, also if something was left open or lost. */
export function exitSoon(notice: (line: string) => void): void {
  // An end without an exit waits for a handle that Node has lost, in a busy loop.
  process.once('beforeExit', () => process.exit());
  let turns = 0;
  setInterval(() => {
    // An exit would lose what the reader of a pipe has not taken yet.
    if (++turns < TURNS_MAX || process.stdout.writableLength + process.stderr.writableLength > 0) return;
    notice(`the command has ended, and left open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit();
  }, TURN_MS).unref();
}
