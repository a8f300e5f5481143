import { EXIT_CODES } from './exit-codes.ts';

/** The reader of a pipe may go first: `polycast follow '>' | head`. Then there is nothing left to do. */
export function exitOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT_CODES.done.code);
  throw error;
}

/** A hub has more to do than to print: it goes on when nobody reads that any more (EPIPE, or EIO of a terminal). */
export function ignoreBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.off('error', exitOnBrokenPipe).on('error', () => undefined);
}
