import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import type { CountedPage, CountQuery, Position, ReadPage, ReadQuery, StoredRecord } from '../../../../core/ports.ts';
import { READ_ROWS_MAX } from '../../../shared/log-limits.ts';
import { ChannelIndex } from './channel-index.ts';
import { checksumOf } from '../checksum.ts';
import { DamagedEventError, isCorruption } from '../corruption.ts';
import { logFiles } from '../log-files.ts';
import type { CheckedPage } from '../messages.ts';
import { EVENT_COLUMNS, Salvage } from './salvage.ts';
import type { EventRow } from './salvage.ts';
import { MergeSource, ScanSource } from './position-sources.ts';
import type { PositionSource } from './position-sources.ts';

/**
 * Up to this number of channels, a read merges the index of each. With more, it scans the log and
 * filters.
 */
const MERGED_CHANNELS_MAX = 64;

/** Events of one channel that one count examines at most, in its index: some milliseconds. */
const COUNTED_EVENTS_MAX = 16_384;

/** Bounds of one scrub step, in events and bytes. */
const CHECKED_EVENTS_MAX = 500;
const CHECKED_BYTES_MAX = 128 * 1024;

type Page = Omit<ReadPage, 'trimmedThrough' | 'erasedThrough'>;
type PositionQuery = Omit<ReadQuery, 'types' | 'bytesMax'>;
type ChannelIdSets = readonly ReadonlySet<number>[];

/**
 * Reads pages of the log in a thread of its own. Its connection is read-only and waits for no
 * commit. Each event is compared with its checksum.
 */
export class LogReader {
  readonly #database: DatabaseSync;
  readonly #channels: ChannelIndex;
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  readonly #event: StatementSync;
  readonly #scan: StatementSync;
  readonly #head: StatementSync;
  readonly #countChannel: StatementSync;
  readonly #salvage: Salvage;
  /** Events up to this position are older than checksums. */
  readonly #uncheckedThrough: Position;

  constructor(folder: string) {
    this.#database = new DatabaseSync(logFiles(folder).database, { readOnly: true, timeout: 1_000 });
    this.#database.exec('PRAGMA cache_size = -32768; PRAGMA query_only = 1');
    this.#begin = this.#database.prepare('BEGIN');
    // Not COMMIT: it would repeat the error of a damaged page. Nothing was written.
    this.#end = this.#database.prepare('ROLLBACK');
    this.#event = this.#database.prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE position = ?`);
    this.#event.setReturnArrays(true);
    this.#countChannel = this.#database.prepare(
      `SELECT count(*), max(position) FROM (
         SELECT position FROM channel_event WHERE channel = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?
       )`,
    );
    this.#countChannel.setReturnArrays(true);
    this.#scan = this.#database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM event WHERE position > ? AND position <= ? ORDER BY position`,
    );
    this.#scan.setReturnArrays(true);
    this.#head = this.#database.prepare('SELECT reserved_through AS head FROM state');
    this.#salvage = new Salvage(this.#database);
    const state = this.#database.prepare('SELECT unchecked_through AS unchecked FROM state').get();
    this.#uncheckedThrough = (state?.['unchecked'] ?? 0) as Position;
    this.#channels = new ChannelIndex(this.#database);
    this.#inSnapshot(() => this.#channels.catchUp());
  }

  /** A view reserves no positions ahead, so this is its newest one. */
  head(): Position {
    return (this.#head.get() as { head: Position }).head;
  }

  read(query: ReadQuery): ReadPage {
    return this.#inSnapshot(() => {
      this.#channels.catchUp();
      const { idSets, ...loss } = this.#channels.matching(query.patterns, query.after);
      return { ...this.#pageOrSalvage(query, idSets), ...loss };
    });
  }

  /**
   * Counts by the indexes where they suffice, so the page is not decoded. At damage it continues
   * like a read, which finds the end of the damage.
   */
  count(query: CountQuery): CountedPage {
    try {
      return this.#inSnapshot(() => this.#count(query));
    } catch (error) {
      if (!isCorruption(error)) throw error;
      const { records, ...page } = this.read({
        ...query,
        direction: 'forward',
        limit: CHECKED_EVENTS_MAX,
        bytesMax: CHECKED_BYTES_MAX,
      });
      return { ...page, count: records.length };
    }
  }

  #count({ types, ...range }: CountQuery): CountedPage {
    this.#channels.catchUp();
    const { after } = range;
    const { idSets, ...loss } = this.#channels.matching(range.patterns, after);
    const { source, ids } = this.#source({ ...range, direction: 'forward', limit: READ_ROWS_MAX }, idSets);
    const [onlyId] = ids?.size === 1 && types === undefined ? ids : [];
    if (onlyId !== undefined) {
      const indexed = this.#countIndexed(onlyId, after, range.through);
      if (indexed.reached > after) return { ...indexed, ...loss, corruptThrough: after };
    }
    let count = 0;
    let last = after;
    for (let position = source.next(); position !== undefined; position = source.next()) {
      if (position <= last) throw new DamagedEventError(position);
      last = position;
      // An event that is not indexed yet may have been removed.
      const isCertain = types === undefined && position <= this.#channels.indexedThrough;
      if (isCertain || isOfType(this.#record(position, ids), types)) count++;
    }
    return { count, reached: source.reached, ...loss, corruptThrough: after };
  }

  /**
   * Counts the indexed events of one channel.
   * `reached` is `after` when none of the range is indexed.
   */
  #countIndexed(channel: number, after: Position, through: Position): { count: number; reached: Position } {
    const end = Math.min(through, this.#channels.indexedThrough);
    if (end <= after) return { count: 0, reached: after };
    const [count, last] = this.#countChannel.get(channel, after, end, COUNTED_EVENTS_MAX) as unknown as [
      number,
      number,
    ];
    return { count, reached: count < COUNTED_EVENTS_MAX ? end : last };
  }

  /**
   * One scrub step: compares events with their checksums in the order of the file, without an
   * index. A step takes a millisecond or two, so reads wait no longer for it than for each other.
   * At damage it continues like a read, which finds the end of the damage.
   */
  check(after: Position, through: Position): CheckedPage {
    const checked = this.#inSnapshot(() => {
      this.#channels.catchUp();
      return this.#verify(after, through);
    });
    if (checked.reached > after) return checked;
    const query = { patterns: ['>'], types: undefined, after, through, direction: 'forward' } as const;
    const page = this.read({ ...query, limit: CHECKED_EVENTS_MAX, bytesMax: CHECKED_BYTES_MAX });
    return { reached: page.reached, corruptThrough: page.corruptThrough, bytes: bytesOf(page) };
  }

  /** Checks up to the event before the first damaged one. */
  #verify(after: Position, through: Position): CheckedPage {
    let reached = after;
    let bytes = 0;
    let count = 0;
    try {
      for (const row of this.#scan.iterate(after, through) as Iterable<unknown>) {
        const record = this.#decode(row as EventRow);
        if (record === undefined) return { reached, corruptThrough: after, bytes };
        reached = record.position;
        bytes += record.body.byteLength;
        if (++count >= CHECKED_EVENTS_MAX || bytes >= CHECKED_BYTES_MAX)
          return { reached, corruptThrough: after, bytes };
      }
    } catch (error) {
      if (isCorruption(error)) return { reached, corruptThrough: after, bytes };
      throw error;
    }
    return { reached: through, corruptThrough: after, bytes };
  }

  close(): void {
    this.#database.close();
  }

  /** Runs within one snapshot of the database. */
  #inSnapshot<Result>(run: () => Result): Result {
    this.#begin.run();
    try {
      return run();
    } finally {
      if (this.#database.isTransaction) this.#end.run();
    }
  }

  /**
   * Reads a page. The events before damage make a page of their own. The next page begins at the
   * damage, and is salvaged.
   */
  #pageOrSalvage(query: ReadQuery, idSets: ChannelIdSets): Page {
    const records: StoredRecord[] = [];
    try {
      return this.#page(query, idSets, records);
    } catch (error) {
      if (!isCorruption(error)) throw error;
      const last = records.at(-1)?.position;
      if (last !== undefined && query.direction === 'forward')
        return { records, reached: last, corruptThrough: query.after };
      const missing = error instanceof DamagedEventError ? error.position : undefined;
      const decoder = {
        decode: (row: EventRow) => this.#decode(row),
        isMatch: ([, channel]: EventRow) => idSets.some((ids) => ids.has(channel)),
      };
      return this.#salvage.page(query, decoder, missing);
    }
  }

  #page(query: ReadQuery, idSets: ChannelIdSets, records: StoredRecord[]): Page {
    const { limit, bytesMax, types, direction, after: corruptThrough } = query;
    const isForward = direction === 'forward';
    const { source, ids } = this.#source(query, idSets);
    let bytes = 0;
    let last = isForward ? -1 : Infinity;
    for (let position = source.next(); position !== undefined; position = source.next()) {
      if (isForward ? position <= last : position >= last) throw new DamagedEventError(position);
      last = position;
      const before = isForward ? position - 1 : position;
      if (records.length >= limit) return { records, reached: before, corruptThrough };
      const record = this.#record(position, ids);
      if (record === undefined || !isOfType(record, types)) continue;
      bytes += record.body.byteLength;
      if (bytes > bytesMax && records.length > 0) return { records, reached: before, corruptThrough };
      records.push(record);
    }
    return { records, reached: source.reached, corruptThrough };
  }

  #source(
    query: PositionQuery,
    idSets: ChannelIdSets,
  ): { source: PositionSource; ids: ReadonlySet<number> | undefined } {
    const sum = idSets.reduce((total, { size }) => total + size, 0);
    const ids = sum > 4 * MERGED_CHANNELS_MAX ? undefined : new Set(idSets.flatMap((set) => [...set]));
    if (ids !== undefined && ids.size <= MERGED_CHANNELS_MAX)
      return { source: new MergeSource(this.#database, this.#channels, [...ids], query), ids };
    return { source: new ScanSource(this.#database, idSets, query), ids: undefined };
  }

  /**
   * Returns undefined when the event was removed before it was indexed.
   * @param ids the channels of the indexes that have the position
   * @throws DamagedEventError
   */
  #record(position: Position, ids: ReadonlySet<number> | undefined): StoredRecord | undefined {
    const row = this.#event.get(position) as unknown as EventRow | undefined;
    if (row === undefined && position > this.#channels.indexedThrough) return undefined;
    const record = row === undefined ? undefined : this.#decode(row);
    if (row === undefined || record === undefined || ids?.has(row[1]) === false) throw new DamagedEventError(position);
    return record;
  }

  /** Returns undefined when the row differs from the stored event. */
  #decode([position, id, type, timeMs, body, checksum, trace]: EventRow): StoredRecord | undefined {
    const channel = this.#channels.nameOf(id);
    if (channel === undefined || !(body instanceof Uint8Array) || typeof timeMs !== 'number') return undefined;
    if (type !== null && typeof type !== 'string') return undefined;
    if (trace !== null && typeof trace !== 'string') return undefined;
    const record = { position, channel, type: type ?? undefined, timeMs, body, trace: trace ?? undefined };
    if (checksum === null) return position <= this.#uncheckedThrough ? record : undefined;
    return checksumOf(position, id, record.type, timeMs, body, record.trace) === checksum ? record : undefined;
  }
}

function isOfType(record: StoredRecord | undefined, types: ReadQuery['types']): boolean {
  if (record === undefined || types === undefined) return record !== undefined;
  return record.type !== undefined && types.includes(record.type);
}

function bytesOf({ records }: Pick<ReadPage, 'records'>): number {
  return records.reduce((sum, { body }) => sum + body.byteLength, 0);
}
