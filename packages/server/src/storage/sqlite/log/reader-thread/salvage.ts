import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Position, ReadPage, ReadQuery, StoredRecord } from '../../../../core/ports.ts';
import { READ_ROWS_MAX } from '../../../shared/log-limits.ts';
import { isCorruption } from '../corruption.ts';

/**
 * A row of the table `event`: position, channel id, type, time in milliseconds, body, checksum,
 * trace context.
 */
export type EventRow = readonly [Position, number, string | null, number, Uint8Array, number | null, string | null];

export const EVENT_COLUMNS = 'position, channel, type, time_ms, body, checksum, trace';

/** Decodes and filters rows for a salvage. */
export interface EventDecoder {
  /** Returns `undefined` when the row differs from the stored event. */
  decode(row: EventRow): StoredRecord | undefined;
  isMatch(row: EventRow): boolean;
}

type SalvagedPage = Omit<ReadPage, 'trimmedThrough' | 'erasedThrough'>;

/**
 * A salvage reads a page of the log where something is damaged. It reads event by event from the
 * table `event` alone, and ignores the indexes. Where nothing can be read, it searches for the next
 * readable event. So the hole is known exactly, and every event behind it is delivered.
 *
 * Example: events 5 to 9 are damaged. A read after 3 returns event 4. A read after 4 returns no
 * event, and `corruptThrough: 9`.
 */
export class Salvage {
  readonly #next: StatementSync;
  readonly #previous: StatementSync;

  constructor(database: DatabaseSync) {
    this.#next = database.prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE position > ? ORDER BY position LIMIT 1`);
    this.#previous = database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM event WHERE position <= ? ORDER BY position DESC LIMIT 1`,
    );
    this.#next.setReturnArrays(true);
    this.#previous.setReturnArrays(true);
  }

  /** @param missing the position of an event that the index has and the table does not have */
  page(query: ReadQuery, decoder: EventDecoder, missing: Position | undefined): SalvagedPage {
    return query.direction === 'forward'
      ? this.#forward(query, decoder, missing)
      : this.#backward(query, decoder, missing);
  }

  /** A hole comes first in its page. The events before it make a page of their own. */
  #forward(query: ReadQuery, decoder: EventDecoder, missing: Position = Infinity): SalvagedPage {
    const { after, through } = query;
    const page = new PageBuilder(query, decoder);
    let at = after;
    for (let rowsRead = 0; rowsRead < READ_ROWS_MAX; rowsRead++) {
      const row = this.#read(this.#next, at, decoder);
      const isHole = row === 'damaged' || (at < missing && missing <= through && (row?.[0] ?? Infinity) > missing);
      if (isHole) {
        if (at > after) break;
        const end = row === 'damaged' ? this.#nextReadable(at, through, decoder) - 1 : missing;
        const reached = Math.min(end, through);
        return { records: [], reached, corruptThrough: reached };
      }
      if (row === undefined || row[0] > through) return page.build(through, after);
      if (!page.add(row)) break;
      at = row[0];
    }
    return page.build(at, after);
  }

  #backward(query: ReadQuery, decoder: EventDecoder, missing: Position = 0): SalvagedPage {
    const { after, through } = query;
    const page = new PageBuilder(query, decoder);
    let corruptThrough = missing > after && missing <= through ? missing : after;
    let at = through;
    for (let rowsRead = 0; rowsRead < READ_ROWS_MAX; rowsRead++) {
      const row = this.#read(this.#previous, at, decoder);
      if (row === 'damaged') {
        corruptThrough = Math.max(corruptThrough, at);
        at = this.#previousReadable(at, after, decoder);
        if (at <= after) return page.build(after, corruptThrough);
        continue;
      }
      if (row === undefined || row[0] <= after) return page.build(after, corruptThrough);
      if (!page.add(row)) break;
      at = row[0] - 1;
    }
    return page.build(at, corruptThrough);
  }

  #read(statement: StatementSync, from: Position, decoder: EventDecoder): EventRow | 'damaged' | undefined {
    try {
      const row = statement.get(from) as unknown as EventRow | undefined;
      return row === undefined || decoder.decode(row) !== undefined ? row : 'damaged';
    } catch (error) {
      if (isCorruption(error)) return 'damaged';
      throw error;
    }
  }

  /**
   * The first readable event after a hole, or a position beyond `through`. Searches in steps that
   * double, then by bisection.
   */
  #nextReadable(hole: Position, through: Position, decoder: EventDecoder): Position {
    let low = hole;
    let high = through;
    let found = through + 1;
    for (let step = 1; hole + step < through; step *= 2) {
      const row = this.#read(this.#next, hole + step, decoder);
      if (row === 'damaged') {
        low = hole + step;
        continue;
      }
      high = hole + step;
      found = row?.[0] ?? found;
      break;
    }
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const row = this.#read(this.#next, middle, decoder);
      if (row === 'damaged') low = middle;
      else {
        high = middle;
        found = row?.[0] ?? found;
      }
    }
    return Math.min(found, through + 1);
  }

  /** The last readable event before a hole, or `after`. */
  #previousReadable(hole: Position, after: Position, decoder: EventDecoder): Position {
    let low = after;
    let high = hole;
    let found = after;
    for (let step = 1; hole - step > after; step *= 2) {
      const row = this.#read(this.#previous, hole - step, decoder);
      if (row === 'damaged') {
        high = hole - step;
        continue;
      }
      low = hole - step;
      found = row?.[0] ?? found;
      break;
    }
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const row = this.#read(this.#previous, middle, decoder);
      if (row === 'damaged') high = middle;
      else {
        low = middle;
        found = row?.[0] ?? found;
      }
    }
    return found;
  }
}

/** Collects events until the page is full. */
class PageBuilder {
  readonly #query: ReadQuery;
  readonly #decoder: EventDecoder;
  readonly #records: StoredRecord[] = [];
  #bytes = 0;

  constructor(query: ReadQuery, decoder: EventDecoder) {
    this.#query = query;
    this.#decoder = decoder;
  }

  /** Returns false when the page has no room. */
  add(row: EventRow): boolean {
    const { limit, bytesMax, types } = this.#query;
    if (!this.#decoder.isMatch(row)) return true;
    const record = this.#decoder.decode(row) as StoredRecord;
    if (types !== undefined && (record.type === undefined || !types.includes(record.type))) return true;
    if (this.#records.length >= limit) return false;
    if (this.#records.length > 0 && this.#bytes + record.body.byteLength > bytesMax) return false;
    this.#bytes += record.body.byteLength;
    this.#records.push(record);
    return true;
  }

  build(reached: Position, corruptThrough: Position): SalvagedPage {
    return { records: this.#records, reached, corruptThrough };
  }
}
