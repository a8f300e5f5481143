import type { Position, StoredRecord } from './ports.ts';

/**
 * Records in the order of the log; `shift` takes the oldest. A search for a position is binary.
 * `shift` is O(1): the array is compacted when half of it is empty.
 */
export class RecordDeque {
  #records: (StoredRecord | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#records.length - this.#first;
  }

  /** The record at an index from the oldest. The index must be below `length`. */
  at(index: number): StoredRecord {
    return this.#records[this.#first + index] as StoredRecord;
  }

  newest(): StoredRecord | undefined {
    return this.length > 0 ? this.#records[this.#records.length - 1] : undefined;
  }

  push(record: StoredRecord): void {
    this.#records.push(record);
  }

  /** Takes the oldest record. */
  shift(): StoredRecord | undefined {
    if (this.length === 0) return undefined;
    const record = this.#records[this.#first];
    this.#records[this.#first++] = undefined;
    // The tail has a deque for each channel, and most channels are empty most of the time.
    if (this.#first === this.#records.length) this.clear();
    else if (this.#first >= 32 && this.#first * 2 >= this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
    return record;
  }

  clear(): void {
    this.#records = [];
    this.#first = 0;
  }

  *[Symbol.iterator](): Generator<StoredRecord> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  /** The index of the first record after a position; `length` when there is none. */
  indexAfter(position: Position): number {
    let low = this.#first;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#records[middle] as StoredRecord).position <= position) low = middle + 1;
      else high = middle;
    }
    return low - this.#first;
  }
}

/** Returns the next record, or `undefined` at the end. */
export type NextRecord = () => StoredRecord | undefined;

export function recordsAfter(records: RecordDeque, after: Position): NextRecord {
  let index = records.indexAfter(after);
  return () => (index < records.length ? records.at(index++) : undefined);
}

/**
 * Merges a few lists in the order of the log, without a look ahead of more than one record per
 * list.
 */
export function mergeInOrder(runs: readonly NextRecord[]): NextRecord {
  const heads = runs.map((next) => next());
  return () => {
    let first = -1;
    for (let index = 0; index < heads.length; index++) {
      const head = heads[index];
      if (head !== undefined && (first < 0 || head.position < (heads[first] as StoredRecord).position)) first = index;
    }
    if (first < 0) return undefined;
    const record = heads[first];
    heads[first] = (runs[first] as NextRecord)();
    return record;
  };
}
