import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BATCH_LINES } from '../../../core/session-journal/change-batch.ts';
import { hashOf, readLine, RecordBuilder, type Run } from '../../../core/session-journal/change-lines.ts';
import {
  comparePlaces,
  secondOf,
  type UserSessionsQuery,
} from '../../../core/session-journal/session-journal-store.ts';
import type { SessionRecord } from '../../../core/session-journal/session-record.ts';
import { keysOf, NEIGHBOURS, NOT_OPENED, sessionKeys, shardOfHash, shardOfSession, type Key } from './change-keys.ts';
import { batchOf, sessionNumber, type Segment } from './segment.ts';
import type { SegmentRing } from './segment-ring.ts';

/** Lines that a question needs, by their batch. A line is named by its index in it. */
export type WantedLines = Map<number, Set<number>>;

/** Finds sessions in the journal: by keys first, and then by the few lines that they lead to. */
export class SessionQueries {
  readonly #ring: SegmentRing;
  readonly #runOf: (id: number) => Run | undefined;
  readonly #batch: StatementSync;

  /** @param runOf the run with this id; `undefined` if it is not stored any more */
  constructor(database: DatabaseSync, ring: SegmentRing, runOf: (id: number) => Run | undefined) {
    this.#ring = ring;
    this.#runOf = runOf;
    this.#batch = database.prepare('SELECT run, lines FROM batch WHERE id = ?');
  }

  get(number: number): SessionRecord | undefined {
    return this.#between(number, number + 1)[0];
  }

  find(id: string): SessionRecord | undefined {
    const hash = hashOf(id);
    for (const segment of this.#ring.segments.toReversed())
      for (const { session, second } of keysOf(this.#ring.keys(segment, shardOfHash(hash)), hash)) {
        const found = second === NOT_OPENED ? undefined : this.get(sessionNumber(segment, session));
        if (found?.id === id) return found;
      }
    return undefined;
  }

  /** Sessions with numbers below `before`, the newest first. */
  page(before: number, limit: number): readonly SessionRecord[] {
    const found: SessionRecord[] = [];
    const oldest = this.#ring.oldest?.firstSession ?? Infinity;
    let through = Math.min(before - 1, this.#ring.newestSession);
    while (found.length < limit && through >= oldest) {
      const from = through - (through % NEIGHBOURS);
      found.push(...this.#between(from, through + 1).toReversed());
      through = from - 1;
    }
    return found.slice(0, limit);
  }

  ofUser(query: UserSessionsQuery): readonly SessionRecord[] {
    // Another user may have the same hash. It takes no place among the wanted ones.
    for (const others = new Set<number>(); ;) {
      const numbers = this.#numbersOfUser(query, others);
      const records = this.#recordsOf(query.user, numbers);
      const found = records.filter(({ user }) => user !== query.user);
      for (const { number } of found) others.add(number);
      if (found.length > 0) continue;
      return 'fromMs' in query ? records.sort(comparePlaces) : records.sort(comparePlaces).toReversed();
    }
  }

  #recordsOf(user: string, numbers: ReadonlySet<number>): SessionRecord[] {
    const records = this.records(this.linesOfUser(user, (number) => numbers.has(number)));
    const missing = new Set(numbers);
    for (const { number } of records) missing.delete(number);
    // Those that authenticated later have opened without the user's name.
    for (const number of missing) {
      const record = this.get(number);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  /** The lines with a user's name. Another user with the same hash may have some of them. */
  linesOfUser(user: string, isWanted: (number: number) => boolean): WantedLines {
    const hash = hashOf(user);
    return this.#lines(this.#ring.segments, shardOfHash(hash), (segment, keys, want) => {
      for (const key of keysOf(keys, hash)) if (isWanted(sessionNumber(segment, key.session))) want(key);
    });
  }

  /** All lines of one session. */
  linesOfSession(number: number): WantedLines {
    const newer = this.#ring.segments.filter(({ lastSession }) => lastSession >= number);
    return this.#lines(newer, shardOfSession(number), (_segment, keys, want) => {
      for (const key of keysOf(keys, number >>> 0)) want(key);
    });
  }

  /** The records that these lines tell of. A session without its opening has none. */
  records(wanted: WantedLines): SessionRecord[] {
    const builder = new RecordBuilder();
    for (const batch of [...wanted.keys()].sort((one, other) => one - other)) {
      const row = this.#batch.get(batch) as { readonly run: number; readonly lines: string } | undefined;
      const lines = row?.lines.split('\n') ?? [];
      const run = row && this.#runOf(row.run);
      for (const index of [...(wanted.get(batch) ?? [])].sort((one, other) => one - other)) {
        const line = readLine(lines, index);
        if (line !== undefined) builder.add(line, run);
      }
    }
    return [...builder.records];
  }

  /** Sessions from a number on, before another one, in their order. They are in one shard. */
  #between(from: number, before: number): readonly SessionRecord[] {
    const shard = shardOfSession(from);
    const { segments } = this.#ring;
    const opened = this.#lines(
      segments.filter(({ firstSession, lastSession }) => firstSession < before && lastSession >= from),
      shard,
      (segment, keys, want) =>
        forSessions(segment, keys, from, before, (key) => key.second !== NOT_OPENED && want(key)),
    );
    if (opened.size === 0) return [];
    const all = this.#lines(
      segments.filter(({ lastSession }) => lastSession >= from),
      shard,
      (segment, keys, want) => forSessions(segment, keys, from, before, want),
    );
    return this.records(all).sort((one, other) => one.number - other.number);
  }

  #lines(
    segments: readonly Segment[],
    shard: number,
    select: (segment: Segment, keys: Uint32Array, want: (key: Key) => void) => void,
  ): WantedLines {
    const wanted: WantedLines = new Map();
    for (const segment of segments)
      select(segment, this.#ring.keys(segment, shard), ({ place }) => {
        const batch = batchOf(segment, place);
        const lines = wanted.get(batch);
        if (lines === undefined) wanted.set(batch, new Set([place % BATCH_LINES]));
        else lines.add(place % BATCH_LINES);
      });
    return wanted;
  }

  /** The sessions that a query selects, by their numbers. */
  #numbersOfUser(query: UserSessionsQuery, others: ReadonlySet<number>): ReadonlySet<number> {
    const hash = hashOf(query.user);
    const selection = new Selection(query);
    for (const segment of selection.inOrder(this.#ring.segments)) {
      if (!selection.mayTakeFrom(segment)) continue;
      for (const { session, second } of keysOf(this.#ring.keys(segment, shardOfHash(hash)), hash)) {
        const number = sessionNumber(segment, session);
        if (second !== NOT_OPENED && !others.has(number)) selection.offer({ second, number });
      }
    }
    return new Set(selection.chosen().map(({ number }) => number));
  }
}

function forSessions(
  segment: Segment,
  keys: Uint32Array,
  from: number,
  before: number,
  visit: (key: Key) => void,
): void {
  for (const key of sessionKeys(keys)) {
    const number = sessionNumber(segment, key.session);
    if (number >= from && number < before) visit(key);
  }
}

interface Candidate {
  readonly second: number;
  readonly number: number;
}

/** The first sessions of a query, in its order, out of all that are offered. */
class Selection {
  readonly #limit: number;
  /** The seconds and the place that bound the query. */
  readonly #from: number;
  readonly #before: Candidate;
  readonly #direction: 1 | -1;
  #candidates: Candidate[] = [];

  constructor(query: UserSessionsQuery) {
    this.#limit = query.limit;
    const isForward = 'fromMs' in query;
    this.#direction = isForward ? 1 : -1;
    this.#from = isForward ? secondOf(query.fromMs) : 0;
    this.#before = isForward
      ? { second: Infinity, number: 0 }
      : { second: secondOf(query.before.openedMs), number: query.before.number };
  }

  inOrder(segments: readonly Segment[]): readonly Segment[] {
    return this.#direction === 1 ? segments : segments.toReversed();
  }

  /** Whether a session of the segment may be among the first ones. */
  mayTakeFrom({ oldestSecond, lastMs }: Segment): boolean {
    const newestSecond = secondOf(lastMs);
    if (newestSecond < this.#from || oldestSecond > this.#before.second) return false;
    const worst = this.chosen()[this.#limit - 1]?.second;
    return worst === undefined || (this.#direction === 1 ? oldestSecond <= worst : newestSecond >= worst);
  }

  offer(candidate: Candidate): void {
    if (candidate.second < this.#from || inOrder(candidate, this.#before) >= 0) return;
    this.#candidates.push(candidate);
    if (this.#candidates.length >= 4 * this.#limit + 1000) this.chosen();
  }

  chosen(): readonly Candidate[] {
    this.#candidates.sort((one, other) => this.#direction * inOrder(one, other));
    return (this.#candidates = this.#candidates.slice(0, this.#limit));
  }
}

function inOrder(one: Candidate, other: Candidate): number {
  return one.second - other.second || one.number - other.number;
}
