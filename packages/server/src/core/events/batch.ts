import type { Framing, GapReason } from '@polycast/protocol';
import type { Interest } from '../interests/interest.ts';
import type { Position, StoredRecord } from '../ports.ts';

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
  /** Where its last event stands; 0 without events. */
  readonly lastPosition: Position;
  /** The bound on events that it was made with, and whether more had been there but for its bounds. */
  readonly countMax: number;
  readonly isTruncated: boolean;
  /**
   * Not 0: some of the events after `from`, up to and with this position, are lost. That is told before those
   * that are left of them, so that nobody sees a hole before knowing of it.
   */
  readonly gapThrough: Position;
  /** Why, if there is a gap. */
  readonly gapReason: GapReason;
  /** Of a poll: it is all there is between two places, and no event can join or replace these. */
  readonly isCacheable: boolean;
}

/** Frames records one behind the other into one piece of memory. */
export function joinFrames(
  framing: Framing,
  epoch: string,
  records: readonly StoredRecord[],
  allocate: (bytes: number) => Uint8Array,
): Uint8Array {
  let bytes = 0;
  for (const record of records) bytes += framing.size(record.body.length);
  const { wrapper: enclosure } = framing;
  const isEnclosed = enclosure !== undefined && bytes > 0;
  let at = isEnclosed ? enclosure.prefixBytes(bytes) : 0;
  const out = allocate(isEnclosed ? at + bytes + enclosure.suffixBytes : bytes);
  if (isEnclosed) enclosure.write(out, bytes);
  for (const record of records) at = framing.write(out, at, epoch, record.position, record.body);
  return out;
}

/** A batch's place in the cache; empty once it has been let go. */
export interface CachedBatch {
  batch: Batch | undefined;
}

/**
 * Keeps recent batches for the readers still to come to the same place. An interest that makes many lets go of its own, those
 * first that nobody came back to; beyond the bound on bytes the oldest of all go.
 */
export class BatchCache {
  readonly #bytesMax: number;
  /** The oldest first; those before `#first`, and some between, are empty. */
  #entries: CachedBatch[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A batch that still is all that its reader could be given now: it was cut, or nothing that is meant has come since. */
  find(interest: Interest, framing: Framing, from: Position, countMax: number, head: Position): Batch | undefined {
    const { batches } = interest;
    for (let index = batches.length - 1; index >= 0; index--) {
      const cached = batches[index] as CachedBatch;
      const batch = cached.batch as Batch;
      if (batch.from !== from || batch.framing !== framing || batch.countMax !== countMax) continue;
      if (!batch.isTruncated && batch.reached < head && interest.mayHaveNewEvents(batch.reached) !== false) continue;
      if (index < batches.length - 1) batches.push(...batches.splice(index, 1));
      return batch;
    }
    return undefined;
  }

  /** What is kept for an interest that nobody may ever have again would keep that as well, whose size is its client's choice. */
  add(batch: Batch): void {
    if (!batch.interest.isIndexed) return;
    const cached = { batch };
    const { batches } = batch.interest;
    batches.push(cached);
    this.#entries.push(cached);
    this.#count++;
    this.#bytes += batch.bytes.length + BATCH_OVERHEAD_BYTES;
    if (batches.length > BATCHES_PER_INTEREST_MAX) this.#evict(batches[0] as CachedBatch);
    while (this.#bytes > this.#bytesMax) this.#evict(this.#entries[this.#first++] as CachedBatch);
    if (this.#entries.length < 64 || this.#entries.length < this.#count * 2) return;
    this.#entries = this.#entries.filter((each) => each.batch !== undefined);
    this.#first = 0;
  }

  /** Lets go of what is kept for an interest. */
  evictInterest({ batches }: Interest): void {
    for (const cached of batches.toReversed()) this.#evict(cached);
  }

  /** Lets go of all: what was kept is no longer what its readers should be given. */
  clear(): void {
    for (const cached of this.#entries) this.#evict(cached);
    this.#entries = [];
    this.#first = 0;
  }

  #evict(cached: CachedBatch): void {
    const { batch } = cached;
    if (batch === undefined) return;
    cached.batch = undefined;
    const { batches } = batch.interest;
    batches.splice(batches.indexOf(cached), 1);
    this.#count--;
    this.#bytes -= batch.bytes.length + BATCH_OVERHEAD_BYTES;
  }
}

const BATCH_OVERHEAD_BYTES = 200;

/** Few places are shared at one time: the head, and where a crowd of late readers stands. */
const BATCHES_PER_INTEREST_MAX = 16;
