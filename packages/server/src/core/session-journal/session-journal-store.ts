import type { ChangeBatch } from './change-batch.ts';
import type { SessionRecord } from './session-record.ts';

/**
 * The place of a session among those of its user. They are in the order of the seconds in which
 * they opened; within a second, they are in the order of their numbers.
 */
export interface SessionPlace {
  readonly openedMs: number;
  readonly number: number;
}

/** After every session. */
export const NEWEST_PLACE: SessionPlace = { openedMs: Number.MAX_SAFE_INTEGER, number: Number.MAX_SAFE_INTEGER };

/** Negative when the first place comes before the second one. */
export function comparePlaces(one: SessionPlace, other: SessionPlace): number {
  return secondOf(one.openedMs) - secondOf(other.openedMs) || one.number - other.number;
}

/** The second of a time in milliseconds. */
export function secondOf(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}

/**
 * Selects sessions of a user: those opened in the second of `fromMs` or later, the oldest first, or
 * those before a place, the newest first.
 */
export type UserSessionsQuery = { readonly user: string; readonly limit: number } & (
  | { readonly fromMs: number }
  | { readonly before: SessionPlace }
);

/**
 * The stored journal of sessions: a ring with bounds by count and by age. Its loss loses no event.
 *
 * - Atomic: the changes of one `write`.
 * - Durable: soon, by the operating system; a power cut may take the last seconds.
 * - Eventual: nothing within one hub.
 * - Owner: each hub writes its own sessions.
 *
 * Implementations: see `storage/homes.ts`. One contract suite in `storage/contract` tests them all.
 */
export interface SessionJournalStore {
  /**
   * The numbers of the newest and of the oldest session; 0 without any.
   * Numbers of new sessions ascend.
   */
  readonly newestNumber: number;
  readonly oldestNumber: number;
  /**
   * Everything since this time is recorded, in milliseconds since 1970; `undefined`: nothing is.
   */
  readonly sinceMs: number | undefined;
  /** The changes of a batch, at most. */
  readonly batchLinesMax: number;
  /** Writes all changes or none. @throws when the disk does not accept them */
  write(batches: readonly ChangeBatch[], nowMs: number): void;
  get(number: number): SessionRecord | undefined;
  find(id: string): SessionRecord | undefined;
  ofUser(query: UserSessionsQuery): readonly SessionRecord[];
  /** Sessions with numbers below `before`, the newest first. */
  page(before: number, limit: number): readonly SessionRecord[];
  /**
   * Removes a user's sessions that opened until a time permanently. Without a time, all.
   * Returns their number.
   */
  eraseUser(user: string, openedThroughMs?: number): number;
  /** Sizes, for the metrics. */
  stats(): { readonly sessions: number; readonly bytes: number };
  close(nowMs: number): void;
}
