import type { Framing } from '@polycast/protocol';
import { BatchCache, joinFrames, type Batch } from './events/batch.ts';
import type { FeedOptions, FeedStats, ReaderBehind } from './feed-options.ts';
import type { Interest, Wakeable } from './interests/interest.ts';
import { Interests } from './interests/interests.ts';
import { LOG_PAGE_COUNT_MAX, LogReader, gapOf, pageEnd } from './log-reader.ts';
import type { Log, Position, ReadPage, StoredRecord, TrimOrder } from './ports.ts';
import { bodySize, RecordReader, type RecordCount, type RecordPage } from './record-reader.ts';
import { PendingTrims } from './pending-trims.ts';
import { readNewestEvents } from './preload.ts';
import { assertInvariant } from './primitives/invariant.ts';
import { Tail, type PassingRecord } from './tail.ts';
import { alwaysWanted, SingleFlight, type IsWanted } from './primitives/single-flight.ts';
import { UnreadTail } from './unread-tail.ts';

/** Bytes of joined frames that are cached for later readers at the same position. */
const BATCH_CACHE_BYTES_MAX = 4 * 1024 * 1024;
/** A channel takes some 300 bytes. */
const TAIL_CHANNELS_MAX = 20_000;

/**
 * The source of events for readers: the tail, the log behind the tail, and the wake-up of readers
 * that have joined. It holds the interests, and frames each batch once for all readers at one
 * position. Identical catch-up reads share one read.
 *
 * The feed pushes nothing. A woken `Reader` (`reader.ts`) pulls for its connection within the same
 * call; a `DurableConsumer` only queues itself for its executor. A reader that is busy ignores the
 * wake-up: it reads from its own position when it is ready.
 *
 * Example: the tail holds positions 500 to 900. A reader at 880 gets its next batch from memory
 * (`next`). A reader at 20 is `behind` and reads a page of the log (`catchUp`). It does not read if
 * its interest or the tail knows that its channels had no event between 20 and 500.
 */
export class Feed {
  readonly #log: Log;
  readonly #options: FeedOptions;
  readonly #unread: UnreadTail;
  readonly #reads: LogReader;
  readonly #cache = new BatchCache(BATCH_CACHE_BYTES_MAX);
  readonly #interests = new Interests((interest) => this.#cache.evictInterest(interest));
  readonly #batchReads = new SingleFlight<Batch>();
  readonly #records: RecordReader;
  readonly #pendingTrims: PendingTrims;
  readonly #behind = new Set<ReaderBehind>();
  #erasedAtHead: Position = -1;
  readonly stats: FeedStats = { logReads: 0, tailHits: 0, wakes: 0 };

  constructor(log: Log, options: FeedOptions) {
    this.#log = log;
    this.#options = options;
    this.#interests.joinedBytesMax = options.interestsBytesMax ?? Infinity;
    this.#reads = new LogReader(log, this.stats, options.logReadsConcurrentMax);
    const tail = new Tail(
      { bytesMax: options.tailBytesMax, channelsMax: TAIL_CHANNELS_MAX, isLatestOnly: options.isLatestOnly },
      log.state.head,
    );
    this.#unread = new UnreadTail({
      tail,
      bytesMax: options.tailBytesMax,
      hasReaders: () => this.hasReaders,
      onUnpacked: (records) => this.#onCommitted(tail, records),
      onDropped: (through) => this.#interests.forgetThrough(through),
    });
    this.#pendingTrims = new PendingTrims(() => this.#tail);
    this.#records = new RecordReader(() => this.#tail, this.#reads, this.stats);
    if (log.shared === undefined) log.follow((records) => this.#onCommitted(tail, records));
    else
      log.shared.followPacked(
        (events) => this.#unread.add(events),
        () => this.hasReaders,
      );
  }

  get epoch(): string {
    return this.#log.state.epoch;
  }

  /** The newest position that a reader can have. */
  get head(): Position {
    return this.#unread.head;
  }

  get tail(): { readonly bytes: number; readonly count: number; readonly start: Position } {
    return this.#unread.size;
  }

  /**
   * Reads the newest events of the log into the tail. Await it before the first event is published.
   */
  async preload(): Promise<void> {
    const { head } = this;
    const newest = await readNewestEvents(this.#log, head, this.#options.tailBytesMax / 2);
    this.#tail.preload(newest.records, newest.start);
    // The log does not say what its head was then.
    if (newest.hasErased) this.#erasedAtHead = Math.max(this.#erasedAtHead, head);
    this.#unread.start();
  }

  /** The interest in these channels and types. Equal requests get the same interest. */
  interest(patterns: readonly string[], types?: readonly string[], except: readonly string[] = NO_PATTERNS): Interest {
    return this.#interests.getOrCreate(patterns, types, except, this.#tail.head);
  }

  /**
   * Call it before a reader joins an interest.
   * @throws PolycastError `overloaded` when interests with readers would exceed `interestsBytesMax`
   */
  checkCapacity(interest: Interest): void {
    this.#interests.checkCapacity(interest);
  }

  join(interest: Interest, reader: Wakeable): void {
    this.#interests.join(interest, reader, this.#tail.head);
  }

  leave(interest: Interest, reader: Wakeable): void {
    this.#interests.leave(interest, reader);
  }

  /**
   * The next batch at a position. `undefined`: no event matches up to the head or `through`, and
   * the reader moves there. `behind`: the tail lacks events of these channels after the position,
   * and the reader must `catchUp`.
   * @param through the last position of a reader that ends; Infinity for one that stays
   */
  next(
    interest: Interest,
    framing: Framing,
    after: Position,
    countMax: number,
    through: Position,
  ): Batch | 'behind' | undefined {
    const { head } = this.#tail;
    if (after >= head) return undefined;
    const isUnbounded = through >= head;
    const cached = isUnbounded ? this.#cache.find(interest, framing, after, countMax, head) : undefined;
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
   * Reads a page from the log. Readers with the same request at one time share one read. The read
   * is skipped when all of them have gone before its turn.
   */
  catchUp(
    interest: Interest,
    framing: Framing,
    after: Position,
    countMax: number,
    through: Position,
    isWanted: IsWanted = alwaysWanted,
  ): Promise<Batch> {
    // A read from before a removal is not shared with later readers.
    const key = `${this.#cache.clears} ${framing.name} ${after} ${countMax} ${through} ${interest.key}`;
    return this.#batchReads.share(key, isWanted, (isAnyWaiting) =>
      this.#readPage(interest, framing, after, countMax, through, isAnyWaiting),
    );
  }

  /**
   * Like `next`, but with events instead of frames: at most `countMax` events and `bytesMax` bytes
   * of bodies, but always one event.
   */
  nextRecords(
    interest: Interest,
    after: Position,
    countMax: number,
    bytesMax: number,
  ): RecordPage | 'behind' | undefined {
    return this.#records.next(interest, after, countMax, bytesMax);
  }

  /**
   * Like `catchUp`, but with events instead of frames, and only up to `through`. Equal requests at
   * one time share one read.
   */
  readRecords(
    interest: Interest,
    after: Position,
    through: Position,
    countMax: number,
    bytesMax: number,
  ): Promise<RecordPage> {
    return this.#records.read(interest, after, through, countMax, bytesMax);
  }

  /**
   * Counts the next events in the log, up to `through`, without their bodies. The next call starts
   * after `reached`.
   */
  countRecords(interest: Interest, after: Position, through: Position): Promise<RecordCount> {
    return this.#records.count(interest, after, through);
  }

  /** The event of a channel at a position, if it is in memory. */
  find(channel: string, position: Position): StoredRecord | undefined {
    return this.#tail.find(channel, position);
  }

  /** The newest event of an interest, if it is in memory. */
  newest(interest: Interest): StoredRecord | undefined {
    return this.#tail.newest(interest);
  }

  /**
   * Whether the tail shows that all events after a position are at least as new as `sinceMs`.
   * `false` also when the tail does not know.
   */
  isRecent(after: Position, sinceMs: number): boolean {
    return this.#tail.isNewerThan(after, sinceMs);
  }

  /** Applies changed rules and another bound. Readers that are behind read on. */
  reconfigure({ interestsBytesMax = Infinity }: Pick<FeedOptions, 'interestsBytesMax'>): void {
    this.#interests.joinedBytesMax = interestsBytesMax;
    this.#tail.refreshChannels();
    this.#cache.clear();
  }

  /**
   * Retention calls it after each run, also when it deleted nothing: earlier trims may be due.
   * The tail serves the removed events for `TRIM_GRACE_MS` more.
   */
  onTrimmed(orders: readonly TrimOrder[], nowMs: number): void {
    this.#pendingTrims.add(orders, nowMs);
    if (!this.#pendingTrims.applyDue(nowMs)) return;
    // The caches may hold removed events that were read from the log before.
    this.#cache.clear();
    this.#records.clear();
  }

  /**
   * The log has erased these events: memory drops them, and everything before the newest of them.
   * Readers that are behind read the log, where they get the gap, with the reason `erased`.
   */
  onErased(positions: readonly Position[]): void {
    this.#erasedAtHead = this.head;
    this.#tail.dropThrough(Math.max(0, ...positions));
    this.#cache.clear();
    this.#records.clear();
  }

  /**
   * The head at the last erasure, or at the start if it was before; -1: none. A copy of a response
   * from before may have an erased event, so it is never confirmed as unchanged.
   */
  get erasedAtHead(): Position {
    return this.#erasedAtHead;
  }

  /** The joined readers that have not caught up. */
  get behind(): Iterable<ReaderBehind> {
    return this.#behind;
  }

  /** A reader calls this when it has joined and stops before the head. */
  addBehind(reader: ReaderBehind): void {
    this.#behind.add(reader);
  }

  /** It has caught up, or left. */
  removeBehind(reader: ReaderBehind): void {
    this.#behind.delete(reader);
  }

  /**
   * The number of joined readers, and the distance in positions of the slowest one from the head.
   * It visits only those that are behind.
   */
  lag(): { readonly readers: number; readonly behindMax: number } {
    let behindMax = 0;
    for (const { position } of this.#behind) behindMax = Math.max(behindMax, this.head - position);
    return { readers: this.#interests.readerCount, behindMax };
  }

  /** Whether anybody has joined, also a durable consumer. */
  get hasReaders(): boolean {
    return this.#interests.hasReaders;
  }

  /** Whether the tail knows every matching event after a position. */
  isInMemory(interest: Interest, after: Position): boolean {
    return this.#isKnownQuiet(interest, after) || this.#tail.covers(interest, after);
  }

  /** The number of matching events after a position. `undefined` when only the log knows. */
  countAfter(interest: Interest, after: Position): number | undefined {
    if (this.#isKnownQuiet(interest, after)) return 0;
    if (!this.#tail.covers(interest, after)) return undefined;
    return this.#tail.collect(interest, after, Infinity, Infinity, bodySize).records.length;
  }

  /** Whether there is no matching event after a position. `undefined` when only the log knows. */
  isQuiet(interest: Interest, after: Position): boolean | undefined {
    if (after >= this.#tail.head) return true;
    const mayHaveNew = interest.mayHaveNewEvents(after);
    if (mayHaveNew !== undefined) return !mayHaveNew;
    if (!this.#tail.covers(interest, after)) return undefined;
    const { records, gapThrough } = this.#tail.collect(interest, after, 0, 1, () => 0);
    const isQuiet = records.length === 0 && gapThrough === 0;
    if (isQuiet) interest.markQuiet(after, this.head);
    return isQuiet;
  }

  /**
   * The position before the last `count` events of an interest. Equal requests at one time share
   * the answer.
   */
  historyStart(interest: Interest, count: number, isWanted: IsWanted = alwaysWanted): Promise<Position> {
    return this.#reads.historyStart(interest, count, this.head, isWanted);
  }

  /**
   * Reads one page straight from the log, in the queue with the other reads.
   * @throws PolycastError also when no caller waits for the page any more
   */
  read(
    interest: Interest,
    after: Position,
    through: Position,
    direction: 'forward' | 'backward',
    limit: number,
    bytesMax: number,
    isWanted: IsWanted = alwaysWanted,
  ): Promise<ReadPage> {
    return this.#reads.page(interest, after, through, direction, limit, bytesMax, isWanted);
  }

  /** Visits the tail, the interests and the cached batches. */
  assertInvariants(): void {
    this.#unread.assertInvariants();
    this.#interests.assertInvariants();
    for (const { readers } of this.#interests.all())
      for (const reader of readers)
        assertInvariant(
          reader.isDurable === true || reader.position >= this.head || this.#behind.has(reader as ReaderBehind),
          'feed: a joined reader has caught up, or is known to be behind',
        );
    this.#cache.assertInvariants();
    this.#pendingTrims.assertInvariants();
  }

  #isKnownQuiet(interest: Interest, after: Position): boolean {
    return after >= this.#tail.head || interest.mayHaveNewEvents(after) === false;
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
    const { clears } = this.#cache;
    const page = await this.#reads.page(interest, after, end, 'forward', limit, bytesMax, isWanted);
    const gap = gapOf(page, after);
    let { gapThrough } = gap;
    let { reached } = page;
    let records: readonly PassingRecord[] =
      interest.except.length === 0 ? page.records : page.records.filter((record) => interest.matches(record));
    if (records.length === 0 && gapThrough === 0) interest.markQuiet(after, reached);
    // A poll is answered once, so its page is extended with events of the tail. A stream reads the
    // tail by itself, and its page stays valid for later readers.
    if (countMax !== Infinity && through === Infinity && reached >= end && this.#tail.covers(interest, reached)) {
      const collected = this.#tail.collect(interest, reached, this.#bytesMax(framing), countMax, framing.size, records);
      ({ records, reached } = collected);
      gapThrough = Math.max(gapThrough, collected.gapThrough);
    }
    const batch = this.#createBatch(
      { interest, framing, from: after, reached, countMax, gapThrough, gapReason: gap.gapReason },
      records,
    );
    // The page may have events that were removed while it was read.
    if (through === Infinity && clears === this.#cache.clears) this.#cache.add(batch);
    return batch;
  }

  #createBatch(
    fields: Omit<Batch, 'isTruncated' | 'count' | 'bytes' | 'lastPosition' | 'isHttpCacheable'>,
    records: readonly PassingRecord[],
  ): Batch {
    const { isStored } = this.#options;
    const isCut = fields.reached < this.head;
    return {
      ...fields,
      isTruncated: isCut,
      isHttpCacheable:
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

  /** With all events. Ask for it before an interest is asked what it knows. */
  get #tail(): Tail {
    return this.#unread.tail;
  }

  /** Appends new events to the tail. Then it wakes each matching reader once per commit. */
  #onCommitted(tail: Tail, records: readonly StoredRecord[]): void {
    const from = tail.head;
    let copiedBytes = 0;
    for (const record of records) copiedBytes += tail.push(record);
    const wakes = this.#interests.wake(records, from);
    this.stats.wakes += wakes;
    if (wakes > 0) this.#options.onDelivered(records);
    if (copiedBytes > 0) this.#options.onCopied?.(copiedBytes);
  }
}

const NO_PATTERNS: readonly string[] = [];
