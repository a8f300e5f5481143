import { encodeCursor, parseCursor, PolycastError, type Gap } from '@polycast/protocol';
import type { LogState, Position } from './ports.ts';

/** Where a consumer begins, and what it has to be told first. */
export interface Start {
  readonly position: Position;
  readonly gap: Gap | undefined;
  /** What is lost up to here need not be told: who begins at the earliest asks for what is kept. */
  readonly suppressGapThrough: Position;
}

/**
 * Reads an `after` (PROTOCOL.md section 2): a cursor, `earliest` or `now`. A cursor of another epoch, or ahead of this log
 * (which then must have been rolled back), begins with a gap.
 * @param name of the member or parameter that it was given as
 * @throws PolycastError `invalid_cursor`
 */
export function resolveStart(after: string | undefined, { epoch, epochStart, head }: LogState, name = 'after'): Start {
  if (after === undefined || after === 'now') return { position: head, gap: undefined, suppressGapThrough: 0 };
  if (after === 'earliest') return { position: 0, gap: undefined, suppressGapThrough: head };
  const cursor = parseCursor(after);
  if (cursor === undefined)
    throw new PolycastError('invalid_cursor', 'A cursor, "earliest" or "now" is expected.', { parameter: name });
  if (cursor.epoch === epoch && cursor.position <= head)
    return { position: cursor.position, gap: undefined, suppressGapThrough: 0 };
  const position = cursor.epoch === epoch ? head : epochStart;
  return { position, gap: { from: after, to: encodeCursor(epoch, position), reason: 'epoch' }, suppressGapThrough: 0 };
}
