import { BATCH_LINES } from '../../../core/session-journal/change-batch.ts';
import type { LineSubject } from '../../../core/session-journal/change-lines.ts';
import { GrowingKeys, NOT_OPENED, shardOfHash, shardOfSession } from './change-keys.ts';

/** The lines of a segment, at most. */
export const SEGMENT_LINES = 16_384;

/**
 * A run of batches of the journal: some thousand changes of sessions. Example: segment 3 has the
 * batches 257 to 512, in which sessions 9,000 to 17,000 opened.
 */
export interface Segment {
  readonly id: number;
  readonly firstBatch: number;
  readonly lastBatch: number;
  /** The numbers of the sessions that opened in it are within these. */
  readonly firstSession: number;
  readonly lastSession: number;
  /** How many sessions opened in it. */
  readonly sessions: number;
  /** When its first and its last line were written. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** The oldest second of its keys. */
  readonly oldestSecond: number;
}

/** The number of a session in a segment, of which a key has the lower 32 bits. */
export function sessionNumber({ lastSession }: Segment, lowerBits: number): number {
  return lastSession - ((lastSession - lowerBits) >>> 0);
}

/** The place of a line in its segment, as keys have it. */
export function placeOf({ firstBatch }: Pick<Segment, 'firstBatch'>, batch: number, line: number): number {
  return (batch - firstBatch) * BATCH_LINES + line;
}

export function batchOf({ firstBatch }: Segment, place: number): number {
  return firstBatch + Math.floor(place / BATCH_LINES);
}

/** The segment that takes the new lines. */
export class GrowingSegment implements Segment {
  readonly id: number;
  readonly firstBatch: number;
  lastBatch: number;
  readonly firstSession: number;
  lastSession: number;
  sessions = 0;
  lines = 0;
  readonly firstMs: number;
  lastMs: number;
  oldestSecond = Infinity;
  readonly keys = new GrowingKeys();

  /** @param newestSession the newest session of all, which opened before this segment */
  constructor(id: number, firstBatch: number, newestSession: number, nowMs: number) {
    this.id = id;
    this.firstBatch = firstBatch;
    this.lastBatch = firstBatch - 1;
    this.firstSession = newestSession + 1;
    this.lastSession = newestSession;
    this.firstMs = nowMs;
    this.lastMs = nowMs;
  }

  /** Adds a line at its place in a batch. */
  add({ session: number, userHash, idHash, openedMs }: LineSubject, batch: number, index: number, nowMs: number): void {
    const session = number >>> 0;
    const place = placeOf(this, batch, index);
    const second = openedMs === undefined ? NOT_OPENED : Math.floor(openedMs / 1000);
    const { keys } = this;
    keys.add(shardOfSession(number), session, session, place, idHash === undefined ? NOT_OPENED : second);
    if (userHash !== undefined) keys.add(shardOfHash(userHash), userHash, session, place, second);
    if (idHash !== undefined) keys.add(shardOfHash(idHash), idHash, session, place, second);
    this.lines++;
    this.lastBatch = batch;
    this.lastMs = Math.max(this.lastMs, nowMs);
    this.oldestSecond = Math.min(this.oldestSecond, second);
    if (idHash === undefined) return;
    this.sessions++;
    this.lastSession = Math.max(this.lastSession, number);
  }
}
