import { CURSOR_LENGTH, encodeCursor, PolycastError } from '@polycast/protocol';

/**
 * The cursor in an entity tag. A suffix may follow it: the principal of the response (`.`) or its
 * content coding (`~`). Example: the tag `0t24qj92dx-00000000010.X2b4` contains the cursor
 * `0t24qj92dx-00000000010`.
 */
export function cursorOfTag(tag: string): string {
  const next = tag[CURSOR_LENGTH];
  return next === '.' || next === '~' ? tag.slice(0, CURSOR_LENGTH) : tag;
}

/** Replaces the position of a failed precondition by the cursor that would have matched. */
export function toClientError(epoch: string, error: PolycastError): PolycastError {
  const latest = error.extensions?.['latestPosition'];
  if (error.code !== 'precondition_failed' || typeof latest !== 'number') return error;
  return new PolycastError(error.code, undefined, { latest: latest === 0 ? null : encodeCursor(epoch, latest) });
}
