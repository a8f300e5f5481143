import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import type { Position, ReadPage, ReadQuery, StoredRecord } from '../../../../core/ports.ts';
import { ChannelIndex } from './channel-index.ts';
import { checksumOf } from '../checksum.ts';
import { DamagedEventError, isCorruption } from '../corruption.ts';
import { dataFolderFiles } from '../data-folder.ts';
import type { CheckedPage } from '../messages.ts';
import { EVENT_COLUMNS, Salvage } from './salvage.ts';
import type { EventRow } from './salvage.ts';
import { MergeSource, ScanSource } from './position-sources.ts';
import type { PositionSource } from './position-sources.ts';

/** Up to so many channels are read each by its own index; more by going through the log and picking. */
const MERGED_CHANNELS_MAX = 64;

/** What one step of a scrub looks at. */
const CHECKED_EVENTS_MAX = 500;
const CHECKED_BYTES_MAX = 128 * 1024;

type Page = Omit<ReadPage, 'trimmedThrough'>;
type ChannelIdSets = readonly ReadonlySet<number>[];

/**
 * Reads pages of the log: runs in a thread of its own, on a connection that can only read and waits for no commit. Each event that it
 * reads is compared with its checksum.
 */
export class LogReader {
  readonly #database: DatabaseSync;
  readonly #channels: ChannelIndex;
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  readonly #event: StatementSync;
  readonly #scan: StatementSync;
  readonly #salvage: Salvage;
  /** Events up to this one were stored before there were checksums. */
  readonly #uncheckedThrough: Position;

  constructor(folder: string) {
    this.#database = new DatabaseSync(dataFolderFiles(folder).database, { readOnly: true, timeout: 1_000 });
    this.#database.exec('PRAGMA cache_size = -32768; PRAGMA query_only = 1');
    this.#begin = this.#database.prepare('BEGIN');
    // Not COMMIT: that repeats what a damaged page said, and nothing was written.
    this.#end = this.#database.prepare('ROLLBACK');
    this.#event = this.#database.prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE position = ?`);
    this.#event.setReturnArrays(true);
    this.#scan = this.#database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM event WHERE position > ? AND position <= ? ORDER BY position`,
    );
    this.#scan.setReturnArrays(true);
    this.#salvage = new Salvage(this.#database);
    const state = this.#database.prepare('SELECT unchecked_through AS unchecked FROM state').get();
    this.#uncheckedThrough = (state?.['unchecked'] ?? 0) as Position;
    this.#channels = new ChannelIndex(this.#database);
    this.#inSnapshot(() => this.#channels.catchUp());
  }

  read(query: ReadQuery): ReadPage {
    return this.#inSnapshot(() => {
      this.#channels.catchUp();
      const { idSets, trimmedThrough } = this.#channels.matching(query.patterns, query.after);
      return { ...this.#pageOrSalvage(query, idSets), trimmedThrough };
    });
  }

  /**
   * Compares events with their checksums in the order of the file, without an index: a step of a millisecond or two, so that reads wait
   * no longer for it than for each other. From where something is damaged it goes on as a read does, which knows where that ends.
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

  /** Up to the event before the first that is not what was stored. */
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

  /** One snapshot for all that a read looks at. */
  #inSnapshot<Result>(run: () => Result): Result {
    this.#begin.run();
    try {
      return run();
    } finally {
      if (this.#database.isTransaction) this.#end.run();
    }
  }

  /** What comes before damage is a page; the next one begins there, and is salvaged. */
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
      if (record === undefined || (types !== undefined && (record.type === undefined || !types.includes(record.type))))
        continue;
      bytes += record.body.byteLength;
      if (bytes > bytesMax && records.length > 0) return { records, reached: before, corruptThrough };
      records.push(record);
    }
    return { records, reached: source.reached, corruptThrough };
  }

  #source(query: ReadQuery, idSets: ChannelIdSets): { source: PositionSource; ids: ReadonlySet<number> | undefined } {
    const sum = idSets.reduce((total, { size }) => total + size, 0);
    const ids = sum > 4 * MERGED_CHANNELS_MAX ? undefined : new Set(idSets.flatMap((set) => [...set]));
    if (ids !== undefined && ids.size <= MERGED_CHANNELS_MAX)
      return { source: new MergeSource(this.#database, this.#channels, [...ids], query), ids };
    return { source: new ScanSource(this.#database, idSets, query), ids: undefined };
  }

  /**
   * Undefined when it was removed before it was indexed.
   * @param ids where its index says that it belongs
   * @throws DamagedEvent
   */
  #record(position: Position, ids: ReadonlySet<number> | undefined): StoredRecord | undefined {
    const row = this.#event.get(position) as unknown as EventRow | undefined;
    if (row === undefined && position > this.#channels.indexedThrough) return undefined;
    const record = row === undefined ? undefined : this.#decode(row);
    if (row === undefined || record === undefined || ids?.has(row[1]) === false) throw new DamagedEventError(position);
    return record;
  }

  /** Undefined when it is not what was stored. */
  #decode([position, id, type, timeMs, body, checksum]: EventRow): StoredRecord | undefined {
    const channel = this.#channels.nameOf(id);
    if (channel === undefined || !(body instanceof Uint8Array) || typeof timeMs !== 'number') return undefined;
    if (type !== null && typeof type !== 'string') return undefined;
    const record = { position, channel, type: type ?? undefined, timeMs, body };
    if (checksum === null) return position <= this.#uncheckedThrough ? record : undefined;
    return checksumOf(position, id, record.type, timeMs, body) === checksum ? record : undefined;
  }
}

function bytesOf({ records }: Pick<ReadPage, 'records'>): number {
  return records.reduce((sum, { body }) => sum + body.byteLength, 0);
}
