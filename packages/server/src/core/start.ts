import { encodeCursor, parseCursor, PolycastError, type Gap } from '@polycast/protocol';
import type { Log, LogState, Position } from './ports.ts';

/** The position at which a consumer starts, and the gap that it receives first. */
export interface Start {
  readonly position: Position;
  readonly gap: Gap | undefined;
  /**
   * Gaps up to this position are not reported. A consumer that starts at `earliest` asks for the
   * stored events only.
   */
  readonly suppressGapThrough: Position;
}

/**
 * Resolves an `after` (PROTOCOL.md section 2): a cursor, `earliest` or `now`. A cursor of another
 * epoch starts with a gap. So does a cursor ahead of this log, which then must have been rolled
 * back.
 * @param name of the member or parameter that held `after`
 * @throws PolycastError `invalid_cursor`
 */
export function resolveStart(after: string | undefined, { epoch, epochStart, head }: LogState, name = 'after'): Start {
  if (after === undefined || after === 'now') return { position: head, gap: undefined, suppressGapThrough: 0 };
  if (after === 'earliest') return { position: 0, gap: undefined, suppressGapThrough: head };
  const cursor = parseCursor(after);
  if (cursor === undefined)
    throw new PolycastError('invalid_cursor', notACursor(after, 'It must be a cursor, "earliest" or "now".'), {
      parameter: name,
    });
  if (cursor.epoch === epoch && cursor.position <= head)
    return { position: cursor.position, gap: undefined, suppressGapThrough: 0 };
  const position = cursor.epoch === epoch ? head : epochStart;
  return { position, gap: { from: after, to: encodeCursor(epoch, position), reason: 'epoch' }, suppressGapThrough: 0 };
}

/**
 * How to find the events since a time. A start is never a time: the log finds positions, and the
 * clocks of several hubs differ.
 */
export const NO_TIMES =
  'A time cannot be given here. GET /v1/channels/{channel}/history returns the newest events with their times, and "previous" leads to older ones. The replay of a subscription takes "since".';

/** The detail of a text that is not a cursor; with advice if it looks like a time. */
export function notACursor(text: string, detail: string): string {
  return LIKE_A_TIME.test(text) ? `${detail} ${NO_TIMES}` : detail;
}

/** `2027-01-31…`, `10m`, `-1h`, or seconds or milliseconds since 1970. */
const LIKE_A_TIME = /^(?:\d{4}-\d\d|-?\d{1,9} ?(?:ms|s|m|min|h|d|w)$|\d{10,13}(?:\.\d+)?$)/;

/**
 * The read barrier: before a cursor ahead of this process is judged, the log catches up with it.
 * Example: a client has read up to 90 at one process, and comes with that cursor to another one
 * that has 88. Without the barrier it would receive a gap that does not exist.
 * @returns `undefined` when there is nothing to wait for, as always where one process has the log
 */
export function reachCursor(log: Pick<Log, 'reach'>, text: string | undefined): Promise<void> | undefined {
  if (log.reach === undefined || text === undefined) return undefined;
  const cursor = parseCursor(text);
  return cursor === undefined ? undefined : log.reach(cursor);
}
