import { isFull } from './folder.ts';
import type { Unavailable } from './messages.ts';

/** The log cannot be written, or read, at present. */
export class UnavailableError extends Error {
  readonly code: Unavailable;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause));
    this.code = isFull(cause) ? 'log_full' : 'log_unavailable';
  }
}
