import { PolycastError, type Framing } from '@polycast/protocol';
import { BatchCache, joinFrames, type Batch } from './events/batch.ts';
import type { Interest, Wakeable } from './interests/interest.ts';
import { Interests } from './interests/interests.ts';
import { LOG_PAGE_COUNT_MAX, LogReader, gapOf, pageEnd } from './log-reader.ts';
import type { Log, Position, ReadPage, StoredRecord, TrimOrder } from './ports.ts';
import { bodySize, RecordReader, type RecordPage } from './record-reader.ts';
import { Tail, type ChannelTrim } from './tail.ts';
import { SingleFlight, type IsWanted } from './primitives/single-flight.ts';

export interface FeedOptions {
  readonly tailBytesMax: number;
  /** Bytes that one write to a consumer holds, at most, but always one event. */
  readonly batchBytesMax: number;
  /** The same for the answer to a poll. */
  readonly pollBytesMax: number;
  /** Reads of the log under way at once; the others wait in line. */
  readonly logReadsConcurrentMax: number;
  readonly isLatestOnly: (channel: string) => boolean;
  /** Whether the log stores all events of a channel, until retention removes them. */
  readonly isStored: (channel: string) => boolean;
  /** Memory for joined frames. */
  readonly allocate: (bytes: number) => Uint8Array;
  /** What the channels and patterns of all who read may take of memory, each set of them once. */
  readonly interestsBytesMax?: number;
  /** Told of new events once those who were live have been given them. */
  readonly onDelivered: (records: readonly StoredRecord[]) => void;
}

/** What the feed has counted since it began. */
export interface FeedStats {
  logReads: number;
  tailHits: number;
  wakes: number;
}

/** Joined frames kept for readers still to come to the same place, in bytes. */
const BATCH_CACHE_BYTES_MAX = 4 * 1024 * 1024;
/** Some 300 bytes each. */
const TAIL_CHANNELS_MAX = 20_000;
/** Events read back at opening, so that a crowd that comes back after a restart finds them in memory. */
const PRELOAD_BYTES_MAX = 8 * 1024 * 1024;
const PRELOAD_COUNT_MAX = 20_000;

/**
 * What readers read from: the tail, the log behind it, and the wake. It knows who wants what, frames each batch once for all
 * who stand at one position, and does identical catch-up reads once.
 */
export class Feed {
  readonly #log: Log;
  readonly #options: FeedOptions;
  readonly #tail: Tail;
  readonly #reads: LogReader;
  readonly #cache = new BatchCache(BATCH_CACHE_BYTES_MAX);
  readonly #interests = new Interests((interest) => this.#cache.evictInterest(interest));
  readonly #batchReads = new SingleFlight<Batch>();
  readonly #records: RecordReader;
  /** What retention has removed from the log, and is given from memory until its time has come; the first due first. */
  readonly #pendingTrims: { readonly applyAtMs: number; readonly trims: readonly ChannelTrim[] }[] = [];
  readonly stats: FeedStats = { logReads: 0, tailHits: 0, wakes: 0 };

  constructor(log: Log, options: FeedOptions) {
    this.#log = log;
    this.#options = options;
    this.#reads = new LogReader(log, this.stats, options.logReadsConcurrentMax);
    this.#tail = new Tail(
      { bytesMax: options.tailBytesMax, channelsMax: TAIL_CHANNELS_MAX, isLatestOnly: options.isLatestOnly },
      log.state.head,
    );
    this.#records = new RecordReader(this.#tail, this.#reads, this.stats);
    log.follow((records) => this.#onCommitted(records));
  }

  get epoch(): string {
    return this.#log.state.epoch;
  }

  /** The newest position that readers can have. */
  get head(): Position {
    return this.#tail.head;
  }

  get tail(): { readonly bytes: number; readonly count: number; readonly start: Position } {
    return this.#tail;
  }

  /** Reads the newest events of the log into the tail. To be awaited before the first event is published. */
  async preload(): Promise<void> {
    const { head } = this.#log.state;
    const page = await this.#log.read({
      patterns: ['>'],
      types: undefined,
      after: 0,
      through: head,
      direction: 'backward',
      limit: PRELOAD_COUNT_MAX,
      bytesMax: Math.min(PRELOAD_BYTES_MAX, this.#options.tailBytesMax / 2),
    });
    // What retention has removed since is not in the page: only behind it the tail can speak for every channel.
    const start = Math.max(page.reached, page.trimmedThrough, page.corruptThrough);
    this.#tail.preload(
      page.records.toReversed().filter((record) => record.position > start),
      start,
    );
  }

  /** The interest in these channels and types; the same one for all who want the same. */
  interest(patterns: readonly string[], types?: readonly string[], except: readonly string[] = NO_PATTERNS): Interest {
    return this.#interests.getOrCreate(patterns, types, except, this.head);
  }

  /**
   * To be asked before somebody joins an interest.
   * @throws PolycastError `overloaded`
   */
  checkCapacity(interest: Interest): void {
    const { interestsBytesMax = Infinity } = this.#options;
    if (interest.readers.length > 0 || this.#interests.liveBytes + interest.bytes <= interestsBytesMax) return;
    throw new PolycastError('overloaded', 'Readers have more different channels and patterns than there is room for.', {
      retryAfterMs: 5000,
    });
  }

  join(interest: Interest, reader: Wakeable): void {
    this.#interests.join(interest, reader, this.head);
  }

  leave(interest: Interest, reader: Wakeable): void {
    this.#interests.leave(interest, reader);
  }

  /** What comes next at a position: a batch, nothing, or the word that it is behind the tail and must `catchUp`. */
  next(
    interest: Interest,
    framing: Framing,
    after: Position,
    countMax: number,
    through: Position,
  ): Batch | 'behind' | undefined {
    if (after >= this.head) return undefined;
    const isUnbounded = through >= this.head;
    const cached = isUnbounded ? this.#cache.find(interest, framing, after, countMax, this.head) : undefined;
    if (cached !== undefined) return cached;
    if (interest.mayHaveNewEvents(after) === false) return undefined;
    if (!this.#tail.covers(interest, after)) return 'behind';
    this.stats.tailHits++;
    const collected = this.#tail.collect(interest, after, this.#bytesMax(framing), countMax, framing.size);
    const gapThrough = Math.min(collected.gapThrough, through);
    if (collected.records.length === 0 && gapThrough === 0) interest.markQuiet(after, this.head);
    const records = isUnbounded ? collected.records : collected.records.filter((record) => record.position <= through);
    if (records.length === 0 && gapThrough === 0) return undefined;
    const reached = Math.min(collected.reached, through);
    const batch = this.#createBatch(
      { interest, framing, from: after, reached, countMax, gapThrough, gapReason: 'retention' },
      records,
    );
    if (isUnbounded) this.#cache.add(batch);
    return batch;
  }

  /**
   * Reads a page from the log; readers who ask for the same at one time share one read. It is not read when all of them have
   * gone before it is its turn.
   */
  catchUp(
    interest: Interest,
    framing: Framing,
    after: Position,
    countMax: number,
    through: Position,
    isWanted: IsWanted = always,
  ): Promise<Batch> {
    const key = `${framing.name} ${after} ${countMax} ${through} ${interest.key}`;
    return this.#batchReads.share(key, isWanted, (isAnyWaiting) =>
      this.#readPage(interest, framing, after, countMax, through, isAnyWaiting),
    );
  }

  /** As `next`, as events: at most so many, and at most so many bytes of bodies, but always one. */
  nextRecords(
    interest: Interest,
    after: Position,
    countMax: number,
    bytesMax: number,
  ): RecordPage | 'behind' | undefined {
    return this.#records.next(interest, after, countMax, bytesMax);
  }

  /** As `catchUp`, as events, no farther than `through`; those who ask for the same at one time share one read. */
  readRecords(
    interest: Interest,
    after: Position,
    through: Position,
    countMax: number,
    bytesMax: number,
  ): Promise<RecordPage> {
    return this.#records.read(interest, after, through, countMax, bytesMax);
  }

  /** The event of a channel at a position, if it is in memory. */
  find(channel: string, position: Position): StoredRecord | undefined {
    return this.#tail.find(channel, position);
  }

  /** The newest event of an interest, if it is in memory. */
  newest(interest: Interest): StoredRecord | undefined {
    return this.#tail.newest(interest);
  }

  /** Whether all events after a position are known, from memory, to be no older than a moment. */
  isRecent(after: Position, sinceMs: number): boolean {
    return this.#tail.isNewerThan(after, sinceMs);
  }

  /**
   * Retention has just carried out these orders, if any. What they took is given from memory for a little longer, so that whoever is
   * only just behind misses nothing, and then to nobody. To be called again and again, for what is due meanwhile.
   */
  onTrimmed(orders: readonly TrimOrder[], nowMs: number): void {
    if (orders.length > 0)
      this.#pendingTrims.push({ applyAtMs: nowMs + TRIM_GRACE_MS, trims: this.#tail.trimsOf(orders) });
    for (
      let [first] = this.#pendingTrims;
      first !== undefined && first.applyAtMs <= nowMs;
      [first] = this.#pendingTrims
    ) {
      this.#pendingTrims.shift();
      this.#tail.applyTrims(first.trims);
      // Some of it may have been read from the log before.
      this.#cache.clear();
      this.#records.clear();
    }
  }

  /** How many readers there are, and how far, in positions, the one farthest behind is behind. Looks at every reader. */
  lag(): { readonly readers: number; readonly behindMax: number } {
    let readers = 0;
    let behindMax = 0;
    for (const interest of this.#interests.all()) {
      for (const reader of interest.readers) {
        if (reader.isDurable === true) continue;
        readers++;
        behindMax = Math.max(behindMax, this.head - reader.position);
      }
    }
    return { readers, behindMax };
  }

  /** How many events that are meant stand after a position; `undefined` when only the log could tell. */
  countAfter(interest: Interest, after: Position): number | undefined {
    if (after >= this.head || interest.mayHaveNewEvents(after) === false) return 0;
    if (!this.#tail.covers(interest, after)) return undefined;
    return this.#tail.collect(interest, after, Infinity, Infinity, bodySize).records.length;
  }

  /** Whether nothing that is meant stands after a position; `undefined` when only the log could tell. */
  isQuiet(interest: Interest, after: Position): boolean | undefined {
    if (after >= this.head) return true;
    const mayHaveNew = interest.mayHaveNewEvents(after);
    if (mayHaveNew !== undefined) return !mayHaveNew;
    if (!this.#tail.covers(interest, after)) return undefined;
    const { records, gapThrough } = this.#tail.collect(interest, after, 0, 1, () => 0);
    const isQuiet = records.length === 0 && gapThrough === 0;
    if (isQuiet) interest.markQuiet(after, this.head);
    return isQuiet;
  }

  /** The position from which the last `count` events of an interest are ahead; those who ask at one time share the answer. */
  historyStart(interest: Interest, count: number, isWanted: IsWanted = always): Promise<Position> {
    return this.#reads.historyStart(interest, count, this.head, isWanted);
  }

  /** One page straight from the log, in line with the other reads. @throws PolycastError also when nobody waits for it any more */
  read(
    interest: Interest,
    after: Position,
    through: Position,
    direction: 'forward' | 'backward',
    limit: number,
    bytesMax: number,
    isWanted: IsWanted = always,
  ): Promise<ReadPage> {
    return this.#reads.page(interest, after, through, direction, limit, bytesMax, isWanted);
  }

  #bytesMax(framing: Framing): number {
    return framing.name === 'json' ? this.#options.pollBytesMax : this.#options.batchBytesMax;
  }

  async #readPage(
    interest: Interest,
    framing: Framing,
    after: Position,
    countMax: number,
    through: Position,
    isWanted: IsWanted,
  ): Promise<Batch> {
    const end = Math.min(pageEnd(this.#tail, after), through);
    const limit = Math.min(countMax, LOG_PAGE_COUNT_MAX);
    const bytesMax = this.#bytesMax(framing);
    const page = await this.#reads.page(interest, after, end, 'forward', limit, bytesMax, isWanted);
    const gap = gapOf(page, after);
    let { gapThrough } = gap;
    let { reached } = page;
    let records =
      interest.except.length === 0 ? page.records : page.records.filter((record) => interest.matches(record));
    if (records.length === 0 && gapThrough === 0) interest.markQuiet(after, reached);
    // A stream goes on in the tail by itself, and the page stays good for all who come after it; a poll is answered once.
    if (countMax !== Infinity && through === Infinity && reached >= end && this.#tail.covers(interest, reached)) {
      const collected = this.#tail.collect(interest, reached, this.#bytesMax(framing), countMax, framing.size, records);
      ({ records, reached } = collected);
      gapThrough = Math.max(gapThrough, collected.gapThrough);
    }
    const batch = this.#createBatch(
      { interest, framing, from: after, reached, countMax, gapThrough, gapReason: gap.gapReason },
      records,
    );
    if (through === Infinity) this.#cache.add(batch);
    return batch;
  }

  #createBatch(
    fields: Omit<Batch, 'isTruncated' | 'count' | 'bytes' | 'lastPosition' | 'isCacheable'>,
    records: readonly StoredRecord[],
  ): Batch {
    const { isStored } = this.#options;
    const isCut = fields.reached < this.head;
    return {
      ...fields,
      isTruncated: isCut,
      isCacheable:
        isCut &&
        fields.gapThrough === 0 &&
        fields.framing.name === 'json' &&
        records.length > 0 &&
        records.every(({ channel }) => isStored(channel)),
      count: records.length,
      lastPosition: records.at(-1)?.position ?? 0,
      bytes: joinFrames(fields.framing, this.epoch, records, this.#options.allocate),
    };
  }

  /** New events: into the tail, then wake those who want them, each interest once. */
  #onCommitted(records: readonly StoredRecord[]): void {
    const from = this.#tail.head;
    for (const record of records) this.#tail.push(record);
    this.stats.wakes += this.#interests.wake(records, from);
    this.#options.onDelivered(records);
  }
}

/** What retention has removed is in memory for a slow reader for this long. */
export const TRIM_GRACE_MS = 10_000;

const NO_PATTERNS: readonly string[] = [];

function always(): boolean {
  return true;
}
