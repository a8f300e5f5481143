import type { Position } from '../../../core/ports.ts';
import { isDamage } from '../failure.ts';

/**
 * The error for an event that should be in a page of the log, and is missing or differs from the
 * stored one.
 */
export class DamagedEventError extends Error {
  readonly position: Position;

  constructor(position: Position) {
    super(`event ${position} is damaged`);
    this.position = position;
  }
}

/**
 * Whether the error comes from damage on the disk, which another attempt would find again. An
 * unreachable disk is not damage.
 */
export function isCorruption(error: unknown): boolean {
  if (error instanceof DamagedEventError || isDamage(error)) return true;
  // A flipped bit made an integer that does not fit a JavaScript number. The hub stores none.
  return (error as { code?: unknown }).code === 'ERR_OUT_OF_RANGE';
}
