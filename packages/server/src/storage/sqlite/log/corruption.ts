import type { Position } from '../../../core/ports.ts';
import { errorCodeOf } from '../failure.ts';

const SQLITE_CORRUPT = 11;

/** An event that a page of the log should have, and that is missing there or is not what was stored. */
export class DamagedEventError extends Error {
  readonly position: Position;

  constructor(position: Position) {
    super(`event ${position} is damaged`);
    this.position = position;
  }
}

/** Whether something on the disk is damaged, which another attempt would find as well; not: that it cannot be reached now. */
export function isCorruption(error: unknown): boolean {
  if (error instanceof DamagedEventError || errorCodeOf(error) === SQLITE_CORRUPT) return true;
  // A flipped bit made a number that nobody stored.
  return (error as { code?: unknown }).code === 'ERR_OUT_OF_RANGE';
}
