import { EXIT_CODES } from './exit-codes.ts';

/** A process with nothing left to do ends by itself, at once. */
const IDLE_TIME_MS = 1_000;

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
  exitWhenWritten(notice);
}

function exitWhenWritten(notice: (line: string) => void): void {
  setTimeout(() => {
    // An exit would lose output that its reader has not yet taken. Only Windows keeps some back.
    if (process.stdout.writableLength > 0) return exitWhenWritten(notice);
    notice(`the command has ended, and left open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit();
  }, IDLE_TIME_MS).unref();
}
