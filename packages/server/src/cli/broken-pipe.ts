import { EXIT_CODES } from './exit-codes.ts';

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
