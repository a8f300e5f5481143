import type { Framing, GapReason } from '@polycast/protocol';
import type { Position, StoredRecord } from '../ports.ts';
import { assertInvariant } from '../primitives/invariant.ts';

/** The interest that batches are made for, as far as they know it. */
export interface BatchOwner {
  /** The cached batches, the most recently used last. `undefined` before the first. */
  batches: CachedBatch[] | undefined;
  /** Only an indexed interest learns of new events, and so can have cached batches. */
  readonly isIndexed: boolean;
  mayHaveNewEvents(after: Position): boolean | undefined;
}

/**
 * The next events for every reader at one position, framed and joined once. Example: 500 readers of
 * `news` at position 90 share one batch.
 */
export interface Batch {
  readonly interest: BatchOwner;
  readonly framing: Framing;
  /** A batch for readers at this position. */
  readonly from: Position;
  /** The position of these readers after the batch. */
  readonly reached: Position;
  /** Number of events. 0 when a page of the log had no matching event; `bytes` is empty then. */
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Position of the last event; 0 without events. */
  readonly lastPosition: Position;
  /**
   * The bound on events that the batch was made with. `isTruncated`: it ends before the head of
   * that moment.
   */
  readonly countMax: number;
  readonly isTruncated: boolean;
  /**
   * Not 0: some events after `from`, up to and including this position, are lost. The gap is
   * reported before the remaining events, so that no reader sees a hole before it knows of it.
   */
  readonly gapThrough: Position;
  /** The reason of the gap, if there is one. */
  readonly gapReason: GapReason;
  /**
   * Whether a poll's response may be cached. It is then complete between two positions, and no
   * event can be added or replaced.
   */
  readonly isHttpCacheable: boolean;
}

/** Frames records one behind the other into one piece of memory. */
export function joinFrames(
  framing: Framing,
  epoch: string,
  records: readonly Pick<StoredRecord, 'position' | 'body'>[],
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

/** An entry of the cache; empty after its eviction. */
export interface CachedBatch {
  batch: Batch | undefined;
}

/**
 * Caches recent batches for later readers at the same position. An interest with many batches
 * evicts its own, the least recently used first. Beyond the bound on bytes the oldest batches of
 * all interests go.
 */
export class BatchCache {
  readonly #bytesMax: number;
  /** The oldest first. Entries before `#first`, and some between, are empty. */
  #entries: CachedBatch[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;
  #clears = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How often `clear` was called. */
  get clears(): number {
    return this.#clears;
  }

  /**
   * A cached batch that is still complete for its reader: it was truncated, or no matching event
   * came since.
   */
  find(interest: BatchOwner, framing: Framing, from: Position, countMax: number, head: Position): Batch | undefined {
    const { batches } = interest;
    if (batches === undefined) return undefined;
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

  /**
   * Adds a batch, unless its interest is not indexed. The cache would keep such an interest in
   * memory, although no reader may ask for it again. Clients choose its size.
   */
  add(batch: Batch): void {
    if (!batch.interest.isIndexed) return;
    const cached = { batch };
    const batches = (batch.interest.batches ??= []);
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

  /** Evicts all batches of an interest. */
  evictInterest({ batches }: BatchOwner): void {
    for (const cached of batches?.toReversed() ?? []) this.#evict(cached);
  }

  /** Evicts all batches: they may hold events that readers should no longer receive. */
  clear(): void {
    this.#clears++;
    for (const cached of this.#entries) this.#evict(cached);
    this.#entries = [];
    this.#first = 0;
  }

  /** Visits every batch. */
  assertInvariants(): void {
    let count = 0;
    let bytes = 0;
    for (const [index, cached] of this.#entries.entries()) {
      const { batch } = cached;
      if (batch === undefined) continue;
      count++;
      bytes += batch.bytes.length + BATCH_OVERHEAD_BYTES;
      assertInvariant(index >= this.#first, 'batch cache: entries before the first are empty');
      assertInvariant(batch.interest.batches?.includes(cached) === true, 'batch cache: the interest of a batch has it');
      assertInvariant(batch.interest.isIndexed, 'batch cache: the interest of a batch learns of new events');
    }
    assertInvariant(count === this.#count, 'batch cache: the count is that of its batches');
    assertInvariant(bytes === this.#bytes, 'batch cache: the bytes are the sum over its batches');
    assertInvariant(bytes <= this.#bytesMax, 'batch cache: the bytes are bounded');
  }

  #evict(cached: CachedBatch): void {
    const { batch } = cached;
    if (batch === undefined) return;
    cached.batch = undefined;
    const batches = batch.interest.batches as CachedBatch[];
    batches.splice(batches.indexOf(cached), 1);
    this.#count--;
    this.#bytes -= batch.bytes.length + BATCH_OVERHEAD_BYTES;
  }
}

const BATCH_OVERHEAD_BYTES = 200;

/**
 * Readers share few positions at one time: the head, and the position of a crowd of late readers.
 */
const BATCHES_PER_INTEREST_MAX = 16;
