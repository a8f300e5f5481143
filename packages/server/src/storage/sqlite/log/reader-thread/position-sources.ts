import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Position, ReadQuery } from '../../../../core/ports.ts';
import { READ_ROWS_MAX } from '../../../shared/log-limits.ts';
import type { ChannelIndex } from './channel-index.ts';

/** The positions that may match a query, one by one in its direction. */
export interface PositionSource {
  next(): Position | undefined;
  /**
   * How far the source has looked once `next` has returned undefined. It becomes
   * `ReadPage.reached`.
   */
  readonly reached: Position;
}

type Range = Pick<ReadQuery, 'after' | 'through' | 'direction' | 'limit'>;

/** Scans the whole log and filters by channel: for patterns that match many channels. */
export class ScanSource implements PositionSource {
  reached: Position;
  readonly #statement: StatementSync;
  readonly #idSets: readonly ReadonlySet<number>[];
  readonly #range: Range;
  #rows: readonly (readonly [position: Position, channel: number])[] = [];
  #at = 0;
  #rowsLeft = READ_ROWS_MAX;
  #exhausted = false;

  constructor(database: DatabaseSync, idSets: readonly ReadonlySet<number>[], range: Range) {
    const order = range.direction === 'forward' ? 'ASC' : 'DESC';
    this.#statement = prepareOnce(
      database,
      `SELECT position, channel FROM event WHERE position > ? AND position <= ? ORDER BY position ${order} LIMIT ?`,
    );
    this.#idSets = idSets;
    this.#range = range;
    this.reached = range.direction === 'forward' ? range.after : range.through;
  }

  next(): Position | undefined {
    for (;;) {
      while (this.#at < this.#rows.length) {
        const [position, channel] = this.#rows[this.#at++] as readonly [Position, number];
        if (this.#isMatch(channel)) return position;
      }
      if (this.#exhausted || this.#rowsLeft === 0) return undefined;
      this.#fetch();
    }
  }

  #isMatch(channel: number): boolean {
    for (const ids of this.#idSets) if (ids.has(channel)) return true;
    return false;
  }

  #fetch(): void {
    const { after, through, direction, limit } = this.#range;
    const size = Math.min(this.#rowsLeft, limit + 64, 512);
    this.#rows = (direction === 'forward'
      ? this.#statement.all(this.reached, through, size)
      : this.#statement.all(after, this.reached, size)) as unknown as [Position, number][];
    this.#at = 0;
    this.#rowsLeft -= size;
    if (this.#rows.length < size) return this.#finish();
    const last = (this.#rows[size - 1] as readonly [Position, number])[0];
    this.reached = direction === 'forward' ? last : last - 1;
  }

  #finish(): void {
    this.#exhausted = true;
    this.reached = this.#range.direction === 'forward' ? this.#range.through : this.#range.after;
  }
}

/** Merges the indexes of a few channels. */
export class MergeSource implements PositionSource {
  reached: Position;
  readonly #cursors: ChannelCursor[];
  readonly #range: Range;
  #rowsLeft = READ_ROWS_MAX;

  constructor(database: DatabaseSync, index: ChannelIndex, ids: readonly number[], range: Range) {
    const order = range.direction === 'forward' ? 'ASC' : 'DESC';
    const statement = prepareOnce(
      database,
      `SELECT position FROM channel_event WHERE channel = ? AND position > ? AND position <= ? ORDER BY position ${order} LIMIT ?`,
    );
    const size = Math.max(16, Math.ceil(Math.min(range.limit + 1, READ_ROWS_MAX) / Math.max(1, ids.length)));
    this.#cursors = ids.map((id) => new ChannelCursor(statement, id, index, range, size));
    this.#range = range;
    this.reached = range.direction === 'forward' ? range.through : range.after;
  }

  next(): Position | undefined {
    const forward = this.#range.direction === 'forward';
    let best: ChannelCursor | undefined;
    for (const cursor of this.#cursors) {
      const position = cursor.peek();
      if (position === undefined) continue;
      const first = best?.peek();
      if (first === undefined || (forward ? position < first : position > first)) best = cursor;
    }
    const position = best?.peek();
    if (best === undefined || position === undefined) return undefined;
    if (this.#rowsLeft-- === 0) {
      this.reached = forward ? position - 1 : position;
      this.#cursors.length = 0;
      return undefined;
    }
    best.advance();
    return position;
  }
}

/**
 * The positions of one channel: from the index on the disk, and from the events that are not
 * indexed yet.
 */
class ChannelCursor {
  readonly #statement: StatementSync;
  readonly #id: number;
  readonly #size: number;
  readonly #forward: boolean;
  readonly #tail: readonly Position[];
  #after: Position;
  #through: Position;
  #chunk: readonly Position[] = [];
  #at = 0;
  #isTailDone = false;
  #isDiskDone = false;

  constructor(
    statement: StatementSync,
    id: number,
    index: ChannelIndex,
    { after, through, direction }: Range,
    size: number,
  ) {
    this.#statement = statement;
    this.#id = id;
    this.#size = size;
    this.#forward = direction === 'forward';
    this.#after = after;
    this.#through = Math.min(through, index.indexedThrough);
    this.#isDiskDone = this.#after >= this.#through;
    this.#tail = index.tailOf(id).filter((position) => position > after && position <= through);
  }

  peek(): Position | undefined {
    while (this.#at === this.#chunk.length) {
      if (this.#isDiskDone && this.#isTailDone) return undefined;
      this.#at = 0;
      this.#chunk = this.#isTailNext() ? this.#readTail() : this.#readDisk();
    }
    return this.#chunk[this.#at];
  }

  advance(): void {
    this.#at++;
  }

  /** Events that are not indexed are newer than all indexed ones. */
  #isTailNext(): boolean {
    return this.#forward ? this.#isDiskDone : !this.#isTailDone;
  }

  #readTail(): readonly Position[] {
    this.#isTailDone = true;
    return this.#forward ? this.#tail : this.#tail.toReversed();
  }

  #readDisk(): readonly Position[] {
    const rows = this.#statement.all(this.#id, this.#after, this.#through, this.#size) as unknown as [Position][];
    const positions = rows.map(([position]) => position);
    const last = positions.at(-1);
    if (last === undefined || positions.length < this.#size) this.#isDiskDone = true;
    else if (this.#forward) this.#after = last;
    else this.#through = last - 1;
    return positions;
  }
}

const statements = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/** Prepares a statement once for each connection. */
function prepareOnce(database: DatabaseSync, sql: string): StatementSync {
  const known = statements.get(database) ?? new Map<string, StatementSync>();
  statements.set(database, known);
  const found = known.get(sql) ?? database.prepare(sql);
  found.setReturnArrays(true);
  known.set(sql, found);
  return found;
}
