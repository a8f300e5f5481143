import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import type { Position, ReadPage, ReadQuery, StoredRecord } from '../../core/ports.ts';
import { ChannelIndex } from './channel-index.ts';
import { filesOf } from './folder.ts';
import { MergedSource, ScannedSource } from './sources.ts';
import type { PositionSource } from './sources.ts';

/** Up to so many channels are read each by its own index; more by going through the log and picking. */
const MERGED_CHANNELS_MAX = 64;

/** Reads pages of the log: runs in a thread of its own, on a connection that can only read and waits for no commit. */
export class Reader {
  readonly #database: DatabaseSync;
  readonly #channels: ChannelIndex;
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  readonly #event: StatementSync;

  constructor(folder: string) {
    this.#database = new DatabaseSync(filesOf(folder).database, { readOnly: true, timeout: 1_000 });
    this.#database.exec('PRAGMA cache_size = -32768; PRAGMA query_only = 1');
    this.#begin = this.#database.prepare('BEGIN');
    this.#end = this.#database.prepare('COMMIT');
    this.#event = this.#database.prepare('SELECT channel, type, time_ms, body FROM event WHERE position = ?');
    this.#event.setReturnArrays(true);
    this.#channels = new ChannelIndex(this.#database);
    this.#within(() => this.#channels.catchUp());
  }

  read(query: ReadQuery): ReadPage {
    return this.#within(() => {
      this.#channels.catchUp();
      const { sets, trimmedThrough } = this.#channels.meant(query.patterns, query.after);
      return { ...this.#page(query, this.#source(query, sets)), trimmedThrough };
    });
  }

  close(): void {
    this.#database.close();
  }

  /** One snapshot for all that a read looks at. */
  #within<Result>(run: () => Result): Result {
    this.#begin.run();
    try {
      return run();
    } finally {
      if (this.#database.isTransaction) this.#end.run();
    }
  }

  #source(query: ReadQuery, sets: readonly ReadonlySet<number>[]): PositionSource {
    const sum = sets.reduce((total, { size }) => total + size, 0);
    const ids = sum > 4 * MERGED_CHANNELS_MAX ? undefined : new Set(sets.flatMap((set) => [...set]));
    if (ids !== undefined && ids.size <= MERGED_CHANNELS_MAX)
      return new MergedSource(this.#database, this.#channels, [...ids], query);
    return new ScannedSource(this.#database, sets, query);
  }

  #page({ limit, bytesMax, types, direction }: ReadQuery, source: PositionSource): Omit<ReadPage, 'trimmedThrough'> {
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (let position = source.next(); position !== undefined; position = source.next()) {
      const before = direction === 'forward' ? position - 1 : position;
      if (records.length >= limit) return { records, reached: before };
      const record = this.#record(position);
      if (record === undefined || (types !== undefined && (record.type === undefined || !types.includes(record.type))))
        continue;
      bytes += record.body.byteLength;
      if (bytes > bytesMax && records.length > 0) return { records, reached: before };
      records.push(record);
    }
    return { records, reached: source.reached };
  }

  /** Undefined when it was removed before it was indexed. */
  #record(position: Position): StoredRecord | undefined {
    const row = this.#event.get(position) as unknown as [number, string | null, number, Uint8Array] | undefined;
    if (row === undefined) return undefined;
    const [id, type, timeMs, body] = row;
    return { position, channel: this.#channels.nameOf(id), type: type ?? undefined, timeMs, body };
  }
}
