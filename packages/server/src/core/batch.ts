import type { Framing } from '@polycast/protocol';
import type { Interest } from './interest.ts';
import type { Position, StoredRecord } from './ports.ts';

/** Events that belong together on their way out: what every reader at one position gets next, framed and joined once. */
export interface Batch {
  readonly interest: Interest;
  readonly framing: Framing;
  /** For readers at this position… */
  readonly from: Position;
  /** …who stand here after it. */
  readonly reached: Position;
  /** How many events. 0 when a page of the log held nothing that is meant; there are no bytes then. */
  readonly count: number;
  readonly bytes: Uint8Array;
  /** The bound on events that it was made with, and whether more had been there but for its bounds. */
  readonly countMax: number;
  readonly isCut: boolean;
  /**
   * Not 0: some of the events after `from`, up to and with this position, are lost to retention. That is told before those
   * that are left of them, so that nobody sees a hole before knowing of it.
   */
  readonly gapThrough: Position;
}

/** Frames records one behind the other into one piece of memory. */
export function joinFrames(framing: Framing, epoch: string, records: readonly StoredRecord[], allocate: (bytes: number) => Uint8Array): Uint8Array {
  let bytes = 0;
  for (const record of records) bytes += framing.size(record.body.length);
  const out = allocate(bytes);
  let at = 0;
  for (const record of records) at = framing.write(out, at, epoch, record.position, record.body);
  return out;
}

/** Keeps recent batches for the readers still to come to the same place; the oldest go when their bytes exceed the bound. */
export class BatchCache {
  readonly #bytesMax: number;
  #batches: (Batch | undefined)[] = [];
  #first = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A batch that still is all that its reader could be given now: it was cut, or nothing that is meant has come since. */
  find(interest: Interest, framing: Framing, from: Position, countMax: number, head: Position): Batch | undefined {
    const { batches } = interest;
    for (let index = batches.length - 1; index >= 0; index--) {
      const batch = batches[index] as Batch;
      if (batch.from !== from || batch.framing !== framing || batch.countMax !== countMax) continue;
      if (batch.isCut || batch.reached >= head || interest.hasNews(batch.reached) === false) return batch;
    }
    return undefined;
  }

  keep(batch: Batch): void {
    const { batches } = batch.interest;
    batches.push(batch);
    this.#batches.push(batch);
    this.#bytes += batch.bytes.length + BATCH_OVERHEAD_BYTES;
    while (this.#bytes > this.#bytesMax || batches.length > BATCHES_PER_INTEREST_MAX) this.#dropOldest();
  }

  #dropOldest(): void {
    const batch = this.#batches[this.#first] as Batch;
    this.#batches[this.#first++] = undefined;
    if (this.#first >= 64 && this.#first * 2 >= this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first);
      this.#first = 0;
    }
    this.#bytes -= batch.bytes.length + BATCH_OVERHEAD_BYTES;
    const { batches } = batch.interest;
    // The oldest of all is the oldest of its interest.
    if (batches[0] === batch) batches.shift();
  }
}

const BATCH_OVERHEAD_BYTES = 160;

/** Few places are shared at one time: the head, and where a crowd of late readers stands. */
const BATCHES_PER_INTEREST_MAX = 16;
