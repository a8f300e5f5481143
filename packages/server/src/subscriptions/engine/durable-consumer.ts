import type { Feed } from '../../core/feed.ts';
import type { Interest, Wakeable } from '../../core/interests/interest.ts';
import type { Clock, Position, StoredRecord } from '../../core/ports.ts';
import type { Semaphore } from '../../core/primitives/semaphore.ts';
import type { RecordPage } from '../../core/record-reader.ts';
import type { SubscriptionDefinition, SubscriptionStatus } from '../state/definition.ts';
import type { DueItem } from '../state/due-heap.ts';
import { compileFilter, type Filter } from '../state/filter.ts';
import type { OpenCounts } from '../state/lane-counts.ts';
import type { Lane } from '../state/lane.ts';
import type { EndpointLimiter } from '../state/endpoint-limiter.ts';
import type { Replay, Subscription } from '../state/ports.ts';
import type { StoredSubscription } from '../state/subscription-store.ts';
import { AckTracker } from '../state/ack-tracker.ts';
import { PendingEventCounter, type CountScope } from './pending-event-counter.ts';
import { createEpochGap, GAP_TYPE, createLossGap } from './gap.ts';
import type { LagCounter } from './lag-counter.ts';
import { PAGE_BYTES_MAX, READ_RETRY_MS, readLanes } from './lane-reads.ts';
import { parseRecord } from './parse-record.ts';
import { internDefinition } from './intern-definition.ts';

/** The parts that all durable consumers share. */
export interface DurableConsumerParts {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly reads: Semaphore;
  /** Counts pending events that memory alone cannot count. */
  readonly counter: LagCounter;
}

/**
 * Makes a consumer a replay: it delivers past events of `consumer` once more, beside the live
 * deliveries (PROTOCOL.md section 14.4).
 */
export interface ReplayOf {
  readonly consumer: DurableConsumer;
  replay: Replay;
}

/**
 * Hands out the events of consumers of one kind. Example: the webhook dispatcher sends those of
 * webhooks, and the lease manager leases those of pull subscriptions.
 */
export interface Executor {
  /**
   * A consumer may have something to do. The call only queues it, because callers are in the middle
   * of other work.
   */
  schedule(consumer: DurableConsumer): void;
  /**
   * Like `schedule`, for a wake by published events. An interest wakes its newest consumer first.
   */
  scheduleWoken(consumer: DurableConsumer): void;
  /** The subscription has another state. */
  onStatusChanged(consumer: DurableConsumer): void;
  /** The subscription has another definition. */
  onRedefined(consumer: DurableConsumer): void;
  /** The subscription is removed: hands out nothing more. */
  remove(consumer: DurableConsumer): void;
}

/** Bytes of events that one consumer has in memory, at most; one event is always allowed. */
const BUFFERED_BYTES_MAX = 1024 * 1024;
/** Events in one page. */
const PAGE_COUNT_MAX = 256;

/**
 * One durable subscription at work. It is a position in the log and an interest. Published events
 * wake it like every reader, and it takes up as many events as its executor asks for.
 *
 * Example: a webhook for `orders.>` is at position 90, and the head of the log is 100. It takes up
 * the matching events from 91 on, and the webhook dispatcher sends them.
 *
 * - *Live*: it has taken up every event to the head. Its position then moves with the head.
 * - *Quiet*: it has no open events and none to take up. Without a tracker, it costs its position
 *   alone.
 * - *Replay*: a second consumer of the same subscription that delivers past events again.
 */
export class DurableConsumer implements Wakeable, DueItem {
  readonly #parts: DurableConsumerParts;
  readonly #executor: Executor;
  readonly #replayThrough: Position;
  /** Set for a replay: the consumer that it belongs to, and the replay. */
  readonly replayOf: ReplayOf | undefined;
  #definition: SubscriptionDefinition;
  #status: SubscriptionStatus;
  #interest: Interest;
  #filter: Filter | undefined;
  #tracker: AckTracker | undefined;
  /** The position while there is no tracker: every event up to here is done. */
  #position: Position;
  /** True after the consumer has taken up every event to the head of that moment. */
  #isLive = false;
  /** The position through which loss has been reported, or need not be. */
  #gapReportedThrough: Position;
  readonly #pendingEvents = new PendingEventCounter();
  /**
   * Like `#gapReportedThrough`, for damaged events. A consumer that starts at the earliest event is
   * informed of these too.
   */
  #corruptionReportedThrough: Position = 0;
  /** Increases when the current read is no longer wanted. */
  #readGeneration = 0;
  #isReading = false;
  /**
   * Lower bound for the publish time of events not taken up, in milliseconds since 1970. It is the
   * publish time of the last event taken up, or the moment when the consumer was last live or
   * began.
   */
  #lastTakenMs: number;
  #isJoined = false;
  deadLetterCount: number;
  /** For a webhook: the limits of its endpoint, and the number of its requests in flight. */
  limiter: EndpointLimiter | undefined;
  inFlight = 0;
  /** The replays of this consumer; they share its limiter. */
  replayConsumers: readonly DurableConsumer[] | undefined;
  /** For a suspended endpoint: when the next probe is sent, and the lane that is the probe. */
  nextProbeMs = 0;
  probeLane: Lane | undefined;
  /** When the first event of a partial batch began to wait; 0 while none waits. */
  batchStartedMs = 0;
  /** True when it could have started more requests, but had to leave them to live deliveries. */
  isThrottled = false;
  /** True while it is in a queue of its executor. */
  isQueued = false;
  /** True while it is in the queue of consumers with healthy endpoints. */
  isQueuedHealthy = false;
  index = -1;
  dueMs = 0;
  heapIndex = -1;

  constructor(parts: DurableConsumerParts, stored: StoredSubscription, executor: Executor, replayOf?: ReplayOf) {
    this.#parts = parts;
    this.#executor = executor;
    this.replayOf = replayOf;
    this.#replayThrough = replayOf?.replay.through ?? Infinity;
    this.#definition = internDefinition(stored.definition);
    const { held } = stored.status;
    this.#status = held === undefined ? stored.status : { ...stored.status, held: undefined };
    this.deadLetterCount = stored.deadLetters;
    this.#position = stored.status.cursor;
    this.#lastTakenMs = parts.clock.nowMs();
    // A consumer that starts at position 0 asks for the events that exist, so earlier loss is no
    // gap for it. A consumer of a lost log is an exception.
    this.#gapReportedThrough = this.#position === 0 && this.#status.lost === undefined ? parts.feed.head : 0;
    this.#interest = this.#interestOf(stored.definition);
    this.#filter = filterOf(stored.definition);
    if (stored.open.length > 0) this.tracker.restore(stored.open, held);
    this.#enqueueLostGap();
  }

  get id(): string {
    return this.#definition.id;
  }

  get definition(): SubscriptionDefinition {
    return this.#definition;
  }

  get subscription(): Subscription {
    return { definition: this.#definition, status: { ...this.#status, cursor: this.position } };
  }

  get status(): SubscriptionStatus {
    return this.#status;
  }

  /** Only the lifecycle calls it; `scripts/tidy` holds that. */
  replaceStatus(status: SubscriptionStatus): void {
    this.#status = status;
  }

  /** A checkpoint has this cursor. */
  onCheckpoint(cursor: Position): void {
    if (cursor !== this.#status.cursor) this.#status = { ...this.#status, cursor };
  }

  get isActive(): boolean {
    return this.status.state === 'active';
  }

  /** True for a consumer with metrics of its own. */
  get isDurable(): boolean {
    return true;
  }

  /** The subscription's own consumer; for a replay, the one it belongs to. */
  get primary(): DurableConsumer {
    return this.replayOf?.consumer ?? this;
  }

  /** True when every event of the replay's range has been taken up. */
  get hasReachedReplayEnd(): boolean {
    return this.position >= this.#replayThrough;
  }

  /** As a reader: the position through which every event has been taken up. */
  get position(): Position {
    const position = this.#tracker?.position ?? this.#position;
    return this.#isLive && this.replayOf === undefined ? Math.max(position, this.#parts.feed.head) : position;
  }

  /** True when it is at the head of the log, as far as it knows. */
  get isLive(): boolean {
    return this.#isLive;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** Created on first use; `releaseMemory` drops it. */
  get tracker(): AckTracker {
    this.#tracker ??= new AckTracker(this.#definition.ordering, this.#position, this.replayOf === undefined);
    return this.#tracker;
  }

  get hasTracker(): boolean {
    return this.#tracker !== undefined;
  }

  /**
   * The publish time of the oldest event that is not done, in milliseconds since 1970, or a lower
   * bound as far as known; Infinity when every event is done.
   */
  oldestMs(): number {
    const { feed } = this.#parts;
    const unknownMs = Math.min(this.#lastTakenMs, this.status.failingSinceMs ?? Infinity);
    const oldestMs = this.#tracker?.oldestMs(unknownMs) ?? Infinity;
    if (oldestMs < Infinity || this.#isLive || this.position >= feed.head) return oldestMs;
    // A pull subscription without a worker may never have read the log.
    const isQuiet = this.#isJoined && this.isQuiet();
    const empty = this.#pendingEvents.emptyThrough(this.#countScope, this.position);
    return isQuiet || feed.isQuiet(this.#interest, empty) === true ? Infinity : this.#lastTakenMs;
  }

  /**
   * Damage up to here has been reported for all channels, so a lane need not report it for its own.
   */
  get corruptionReportedThrough(): Position {
    return this.#corruptionReportedThrough;
  }

  /** Number of open events. */
  get openCounts(): OpenCounts {
    return this.#tracker?.countOpen() ?? NOTHING_OPEN;
  }

  /**
   * Number of events that are not done, including those not taken up. It is too high until the
   * counter has counted the events that memory alone cannot count.
   */
  lagEvents(head: Position): number {
    const { inFlight, failing, waiting } = this.openCounts;
    const pendingCount = this.#pendingEvents.count(this.#countScope, this.position, head);
    if (this.needsCounting) this.#parts.counter.enqueue(this);
    return inFlight + failing + waiting + pendingCount;
  }

  /** True when only `countPending` can tell the number of pending events. */
  get needsCounting(): boolean {
    return this.position < this.#parts.feed.head && this.#pendingEvents.needsRead(this.#countScope, this.position);
  }

  /**
   * Counts one more page of pending events. An idle consumer moves past events that do not match.
   */
  async countPending(): Promise<void> {
    const { reads, feed } = this.#parts;
    await reads.run(() => this.#pendingEvents.countPage(this.#countScope, this.position));
    if (!this.#isJoined || this.#isLive || this.#tracker !== undefined || this.replayOf !== undefined) return;
    const before = this.#position;
    this.#position = Math.min(feed.head, this.#pendingEvents.emptyThrough(this.#countScope, before));
    this.#pendingEvents.onTaken(0, before, this.#position);
    this.isQuiet();
  }

  /** Joins its interest, so that published events wake it. */
  join(): void {
    if (this.#isJoined) return;
    this.#isJoined = true;
    this.#parts.feed.join(this.#interest, this);
    this.#executor.schedule(this);
  }

  leave(): void {
    if (!this.#isJoined) return;
    this.#freezePosition();
    this.#isJoined = false;
    this.#parts.feed.leave(this.#interest, this);
  }

  wake(from: Position): void {
    if (this.#isLive) {
      this.#isLive = false;
      this.#lastTakenMs = this.#parts.clock.nowMs();
      if (this.#tracker !== undefined) this.#tracker.enqueue(NO_RECORDS, from);
      else if (from > this.#position) this.#position = from;
    }
    this.#executor.scheduleWoken(this);
  }

  /**
   * Applies a new definition. Events already taken up stay. The caller makes a checkpoint just
   * before, because a change of order restarts from it.
   */
  redefine(definition: SubscriptionDefinition): void {
    this.#freezePosition();
    const before = this.#definition;
    this.#definition = internDefinition(definition);
    this.#filter = filterOf(definition);
    this.#readGeneration++;
    this.#isReading = false;
    if (before.ordering !== definition.ordering) this.#reorder();
    const interest = this.#interestOf(definition);
    if (interest === this.#interest) return;
    const isJoined = this.#isJoined;
    if (isJoined) this.#parts.feed.leave(this.#interest, this);
    this.#interest = interest;
    if (isJoined) this.#parts.feed.join(interest, this);
  }

  /** Forgets the lost log when the gap that reports it has been delivered. */
  clearReportedLoss(): void {
    if (this.#status.lost === undefined || this.#tracker?.isBlockedByGap === true) return;
    this.#status = { ...this.#status, lost: undefined };
  }

  /**
   * Takes up events until `bufferedMax` are in memory or `openMax` lanes wait: from memory at once,
   * else from the log later.
   */
  fill(bufferedMax: number, openMax: number): void {
    const { tracker } = this;
    this.readLanes();
    while (!this.#isReading && !this.#isLive) {
      if (tracker.isBlockedByGap || tracker.bufferedCount >= bufferedMax || tracker.bufferedBytes >= BUFFERED_BYTES_MAX)
        return;
      if (tracker.waiting >= openMax) return;
      if (this.hasReachedReplayEnd) break;
      const countMax = Math.min(PAGE_COUNT_MAX, bufferedMax);
      const page = this.#parts.feed.nextRecords(this.#interest, tracker.position, countMax, PAGE_BYTES_MAX);
      if (page === 'behind') return this.#read(tracker, countMax);
      if (page !== undefined) this.#enqueuePage(tracker, page);
      else {
        this.#isLive = true;
        tracker.enqueue(NO_RECORDS, Math.min(this.#parts.feed.head, this.#replayThrough));
      }
    }
    if (this.hasReachedReplayEnd) this.#isLive = true;
  }

  /**
   * True when it has no open event and none to take up. Most subscriptions are quiet most of the
   * time. They then cost their position alone.
   */
  isQuiet(): boolean {
    if (this.#tracker !== undefined || this.replayOf !== undefined) return false;
    const { feed } = this.#parts;
    if (!this.#isLive) {
      if (feed.isQuiet(this.#interest, this.#position) !== true) return false;
      this.#position = Math.max(this.#position, feed.head);
      this.#isLive = true;
    }
    return true;
  }

  /** Reads the pages that its lanes need. */
  readLanes(): void {
    readLanes(this.#parts, this.#executor, this);
  }

  /** Drops the tracker of an idle consumer. */
  releaseMemory(): void {
    if (this.#tracker === undefined || !this.#tracker.isIdle || this.#isReading) return;
    this.#position = this.#tracker.position;
    this.#tracker = undefined;
  }

  /** Whether the subscription matches an event, by interest and filter. */
  matches(record: StoredRecord): boolean {
    return this.#interest.matches(record) && this.#passesFilter(record);
  }

  /**
   * Whether a channel is one of the subscription's present channels. The hub sends no event of
   * another channel: a change, a new endpoint or a pull is authorized for the present channels
   * alone. A gap of all channels has no channel of its own.
   */
  hasChannel(channel: string): boolean {
    return channel === GAP_TYPE || this.primary.#interest.covers(channel);
  }

  /** The records that pass the filter. The caller has matched their channel and type already. */
  matching(records: readonly StoredRecord[]): readonly StoredRecord[] {
    return this.#filter === undefined ? records : records.filter((record) => this.#passesFilter(record));
  }

  #passesFilter(record: StoredRecord): boolean {
    return this.#filter === undefined || this.#filter(parseRecord(record));
  }

  /** Stores the position of a live consumer, before anything about its reading changes. */
  #freezePosition(): void {
    if (!this.#isLive) return;
    const { head } = this.#parts.feed;
    this.#isLive = false;
    this.#lastTakenMs = this.#parts.clock.nowMs();
    if (this.#tracker !== undefined) this.#tracker.enqueue(NO_RECORDS, head);
    else this.#position = Math.max(this.#position, head);
  }

  /** The order has changed. Open events go on under the new order, from the last checkpoint. */
  #reorder(): void {
    if (this.#tracker === undefined) return;
    const { cursor } = this.#tracker;
    // The log is read again from the cursor. An undelivered gap is stored nowhere else, and events
    // that were in memory alone may be lost meanwhile.
    this.#gapReportedThrough = Math.min(this.#gapReportedThrough, cursor);
    this.#corruptionReportedThrough = Math.min(this.#corruptionReportedThrough, cursor);
    this.#tracker = this.#tracker.withOrdering(this.#definition.ordering);
    this.#enqueueLostGap();
  }

  /** Takes up the gap of a lost log (epoch) before any event of this log. */
  #enqueueLostGap(): void {
    const { lost, cursor, state } = this.status;
    if (lost === undefined || state === 'ended') return;
    const { feed, clock } = this.#parts;
    this.tracker.enqueueGap(createEpochGap(lost, feed.epoch, cursor, clock.nowMs()));
  }

  #read(tracker: AckTracker, countMax: number): void {
    const { feed, reads } = this.#parts;
    const generation = this.#readGeneration;
    const after = tracker.position;
    // No event of this log is read before the gap of the lost log has been delivered.
    this.clearReportedLoss();
    this.#isReading = true;
    const onPage = (page: RecordPage): void => {
      if (this.#readGeneration !== generation) return;
      this.#isReading = false;
      this.#enqueuePage(tracker, page);
      this.#executor.schedule(this);
    };
    const onError = (): void => {
      if (this.#readGeneration !== generation) return;
      setTimeout(() => {
        if (this.#readGeneration !== generation) return;
        this.#isReading = false;
        this.#executor.schedule(this);
      }, READ_RETRY_MS).unref();
    };
    const read = (): Promise<RecordPage> =>
      feed.readRecords(this.#interest, after, Math.min(feed.head, this.#replayThrough), countMax, PAGE_BYTES_MAX);
    reads.run(read).then(onPage, onError);
  }

  /** Takes up a gap first; then the page is read again. */
  #enqueuePage(tracker: AckTracker, page: RecordPage): void {
    const after = tracker.position;
    if (!this.#hasUnreportedGap(page, after)) return this.#enqueueRecords(tracker, page);
    const isDamage = page.gapReason === 'corrupt';
    if (isDamage) this.#corruptionReportedThrough = page.gapThrough;
    this.#gapReportedThrough = isDamage ? Math.max(this.#gapReportedThrough, page.gapThrough) : page.gapThrough;
    const { feed, clock } = this.#parts;
    tracker.enqueueGap(createLossGap(feed.epoch, after, page.gapThrough, page.gapReason, clock.nowMs()));
  }

  /** Whether a page that starts after a position has a loss that has not been reported. */
  #hasUnreportedGap({ gapThrough, gapReason }: RecordPage, after: Position): boolean {
    return (
      gapThrough > Math.max(after, gapReason === 'corrupt' ? this.#corruptionReportedThrough : this.#gapReportedThrough)
    );
  }

  #enqueueRecords(tracker: AckTracker, { records, reached }: RecordPage): void {
    const matching =
      reached <= this.#replayThrough ? records : records.filter(({ position }) => position <= this.#replayThrough);
    const accepted = this.matching(matching);
    this.#pendingEvents.onTaken(accepted.length, tracker.position, reached);
    tracker.enqueue(accepted, Math.min(reached, this.#replayThrough));
    this.#lastTakenMs = matching.at(-1)?.timeMs ?? this.#lastTakenMs;
  }

  get #countScope(): CountScope {
    return {
      feed: this.#parts.feed,
      interest: this.#interest,
      filter: this.#filter,
      matching: (records) => this.matching(records),
      hasUnreportedGap: (page, after) => this.#hasUnreportedGap(page, after),
    };
  }

  #interestOf({ channels, types }: SubscriptionDefinition): Interest {
    const channel = this.replayOf?.replay.channel;
    return this.#parts.feed.interest(channel === undefined ? channels : [channel], types);
  }
}

const NO_RECORDS: readonly StoredRecord[] = [];
const NOTHING_OPEN: OpenCounts = { inFlight: 0, failing: 0, waiting: 0 };

function filterOf({ filter }: SubscriptionDefinition): Filter | undefined {
  return filter === undefined ? undefined : compileFilter(filter);
}
