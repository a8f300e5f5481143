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
import type { Replay, StoredSubscription, Subscription } from '../state/ports.ts';
import { AckTracker } from '../state/ack-tracker.ts';
import { PendingEventCounter, type CountScope } from './pending-event-counter.ts';
import { createEpochGap, GAP_TYPE, createLossGap } from './gap.ts';
import type { LagCounter } from './lag-counter.ts';
import { PAGE_BYTES_MAX, READ_RETRY_MS, readLanes } from './lane-reads.ts';
import { parseRecord } from './parse-record.ts';
import { internDefinition } from './intern-definition.ts';

/** What lines read from, all of them. */
export interface DurableConsumerParts {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly reads: Semaphore;
  /** Counts what memory cannot tell. */
  readonly counter: LagCounter;
}

/** A line that goes once more over what another has behind it, beside it (PROTOCOL.md section 14.4). */
export interface ReplayOf {
  readonly consumer: DurableConsumer;
  replay: Replay;
}

/** Who hands out what a line has. */
export interface Executor {
  /** There may be something to do for a line; it is called in the midst of other things, and only takes note. */
  schedule(consumer: DurableConsumer): void;
  /** The same, since events were published: of those who mean them the newest line is told first. */
  scheduleWoken(consumer: DurableConsumer): void;
}

/** Bytes of events that one line has in memory, at most, but always one event. */
const BUFFERED_BYTES_MAX = 1024 * 1024;
/** Events in one page. */
const PAGE_COUNT_MAX = 256;

/**
 * One subscription at work: it stands somewhere in the log, is woken like every reader, and takes up as much as is asked for. Quiet, it
 * is but its position.
 */
export class DurableConsumer implements Wakeable, DueItem {
  readonly #parts: DurableConsumerParts;
  readonly #executor: Executor;
  readonly #replayThrough: Position;
  /** Whose events it goes over once more, if it does. */
  readonly replayOf: ReplayOf | undefined;
  #definition: SubscriptionDefinition;
  status: SubscriptionStatus;
  #interest: Interest;
  #filter: Filter | undefined;
  #tracker: AckTracker | undefined;
  /** While there is no progress: everything up to here is done. */
  #position: Position;
  /** Has come up to the head; everything up to the head of then has been taken up. */
  #isLive = false;
  /** What is lost up to here has been told, or need not be. */
  #gapReportedThrough: Position;
  readonly #pendingEvents = new PendingEventCounter();
  /** The same as `#gapTold` of what is damaged, which who begins with the earliest event is told as well. */
  #corruptionReportedThrough: Position = 0;
  /** Counts up when what is being read is no longer wanted. */
  #readGeneration = 0;
  #isReading = false;
  /** Whatever has not been taken up is no older: when the last event was published that was, or when it last had all, or began. */
  #lastTakenMs: number;
  #isJoined = false;
  deadLetterCount: number;
  /** Of a webhook: what its endpoint can take; and its requests under way. */
  limiter: EndpointLimiter | undefined;
  inFlight = 0;
  /** What goes over its events once more, and shares its endpoint's pace. */
  replayConsumers: readonly DurableConsumer[] | undefined;
  /** When a suspended endpoint is tried again; and what it is tried with. */
  nextProbeMs = 0;
  probeLane: Lane | undefined;
  /** Since when events wait for others to share a request with; 0 while none do. */
  batchStartedMs = 0;
  /** It could have begun more, but for those who are live. */
  isThrottled = false;
  /** On its owner's list. */
  isQueued = false;
  /** Among those that are known to go well. */
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
    this.status = held === undefined ? stored.status : { ...stored.status, held: undefined };
    this.deadLetterCount = stored.deadLetters;
    this.#position = stored.status.cursor;
    this.#lastTakenMs = parts.clock.nowMs();
    // Who begins at the very beginning asks for what there is; but for those who had been in another log.
    this.#gapReportedThrough = this.#position === 0 && this.status.lost === undefined ? parts.feed.head : 0;
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
    return { definition: this.#definition, status: { ...this.status, cursor: this.position } };
  }

  get isActive(): boolean {
    return this.status.state === 'active';
  }

  /** It has figures of its own. */
  get isDurable(): boolean {
    return true;
  }

  /** The subscription's own line. */
  get primary(): DurableConsumer {
    return this.replayOf?.consumer ?? this;
  }

  /** Whether all that a replay goes over has been taken up. */
  get hasReachedReplayEnd(): boolean {
    return this.position >= this.#replayThrough;
  }

  /** As a reader: how far it has taken up. */
  get position(): Position {
    const position = this.#tracker?.position ?? this.#position;
    return this.#isLive && this.replayOf === undefined ? Math.max(position, this.#parts.feed.head) : position;
  }

  /** Whether it has come to the end of the log, as far as it knows. */
  get isLive(): boolean {
    return this.#isLive;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** Made when first asked for; to be let go of by `rest`. */
  get tracker(): AckTracker {
    this.#tracker ??= new AckTracker(this.#definition.ordering, this.#position, this.replayOf === undefined);
    return this.#tracker;
  }

  get hasTracker(): boolean {
    return this.#tracker !== undefined;
  }

  /** When the oldest event that is not done was published, or no later than when, as far as is known; Infinity when all is. */
  oldestMs(): number {
    const { feed } = this.#parts;
    const unknownMs = Math.min(this.#lastTakenMs, this.status.failingSinceMs ?? Infinity);
    const oldestMs = this.#tracker?.oldestMs(unknownMs) ?? Infinity;
    if (oldestMs < Infinity || this.#isLive || this.position >= feed.head) return oldestMs;
    // Nobody may have looked, as nobody pulls.
    const isQuiet = this.#isJoined && this.isQuiet();
    const empty = this.#pendingEvents.emptyThrough(this.#countScope, this.position);
    return isQuiet || feed.isQuiet(this.#interest, empty) === true ? Infinity : this.#lastTakenMs;
  }

  /** Damage up to here has been told of all that is meant: a lane need not tell it of its channel. */
  get corruptionReportedThrough(): Position {
    return this.#corruptionReportedThrough;
  }

  /** What has been taken up and is not done. */
  get openCounts(): OpenCounts {
    return this.#tracker?.countOpen() ?? NOTHING_OPEN;
  }

  /** In events: what is not done, and what it has not taken up. Too high until what memory cannot tell has been counted. */
  lagEvents(head: Position): number {
    const { inFlight, failing, waiting } = this.openCounts;
    const pendingCount = this.#pendingEvents.count(this.#countScope, this.position, head);
    if (this.needsCounting) this.#parts.counter.enqueue(this);
    return inFlight + failing + waiting + pendingCount;
  }

  /** Whether what is ahead of it can only be told by `countAhead`. */
  get needsCounting(): boolean {
    return this.position < this.#parts.feed.head && this.#pendingEvents.needsRead(this.#countScope, this.position);
  }

  /** Counts a page more of what is ahead; an idle line is moved over what turns out not to be meant. */
  async countPending(): Promise<void> {
    const { reads, feed } = this.#parts;
    await reads.run(() => this.#pendingEvents.countPage(this.#countScope, this.position));
    if (!this.#isJoined || this.#isLive || this.#tracker !== undefined || this.replayOf !== undefined) return;
    const before = this.#position;
    this.#position = Math.min(feed.head, this.#pendingEvents.emptyThrough(this.#countScope, before));
    this.#pendingEvents.onTaken(0, before, this.#position);
    this.isQuiet();
  }

  /** Has itself woken. */
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

  /** Other wishes; what was taken up stays as it is. To be noted just before, as a change of the order begins from there. */
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

  /** Once it has been heard that the log it stood in is no more, that need not be told again. */
  clearReportedLoss(): void {
    if (this.status.lost === undefined || this.#tracker?.isBlockedByGap === true) return;
    this.status = { ...this.status, lost: undefined };
  }

  /** Takes up more, from memory at once, else from the log soon, until so many events are held. */
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

  /** Whether there is nothing for it, neither taken up nor to come: most are so most of the time, and cost but their position. */
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

  /** Reads what lanes need that have waited. */
  readLanes(): void {
    readLanes(this.#parts, this.#executor, this);
  }

  /** Lets go of what a quiet line does not need. */
  releaseMemory(): void {
    if (this.#tracker === undefined || !this.#tracker.isIdle || this.#isReading) return;
    this.#position = this.#tracker.position;
    this.#tracker = undefined;
  }

  /** Whether it means an event. */
  matches(record: StoredRecord): boolean {
    return this.#interest.matches(record) && this.#passesFilter(record);
  }

  /**
   * Whether a channel is among the subscription's own, as they are now: nothing of another one leaves the hub, as whoever has a
   * subscription changed, moved or pulled from is asked about those alone. A gap of all channels is of none.
   */
  hasChannel(channel: string): boolean {
    return channel === GAP_TYPE || this.primary.#interest.covers(channel);
  }

  /** What it means of events that are its own by their channel and type. */
  matching(records: readonly StoredRecord[]): readonly StoredRecord[] {
    return this.#filter === undefined ? records : records.filter((record) => this.#passesFilter(record));
  }

  #passesFilter(record: StoredRecord): boolean {
    return this.#filter === undefined || this.#filter(parseRecord(record));
  }

  /** What was live is told from where it is so, before anything about its reading changes. */
  #freezePosition(): void {
    if (!this.#isLive) return;
    const { head } = this.#parts.feed;
    this.#isLive = false;
    this.#lastTakenMs = this.#parts.clock.nowMs();
    if (this.#tracker !== undefined) this.#tracker.enqueue(NO_RECORDS, head);
    else this.#position = Math.max(this.#position, head);
  }

  /** The order has changed: what is open goes on under the new one, from what has just been noted of it. */
  #reorder(): void {
    if (this.#tracker === undefined) return;
    const { cursor } = this.#tracker;
    // It is read anew from the cursor: a gap that has not been heard stands nowhere else, and events that were in memory alone may be
    // lost by now.
    this.#gapReportedThrough = Math.min(this.#gapReportedThrough, cursor);
    this.#corruptionReportedThrough = Math.min(this.#corruptionReportedThrough, cursor);
    this.#tracker = this.#tracker.withOrdering(this.#definition.ordering);
    this.#enqueueLostGap();
  }

  /** The log it stood in is no more: that is told before anything of this one. */
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
    // Nothing of this log is read before the loss of the other one has been heard of.
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

  /** What is lost is told first; then the page is read again. */
  #enqueuePage(tracker: AckTracker, page: RecordPage): void {
    const after = tracker.position;
    if (!this.#hasUnreportedGap(page, after)) return this.#enqueueRecords(tracker, page);
    const isDamage = page.gapReason === 'corrupt';
    if (isDamage) this.#corruptionReportedThrough = page.gapThrough;
    this.#gapReportedThrough = isDamage ? Math.max(this.#gapReportedThrough, page.gapThrough) : page.gapThrough;
    const { feed, clock } = this.#parts;
    tracker.enqueueGap(createLossGap(feed.epoch, after, page.gapThrough, page.gapReason, clock.nowMs()));
  }

  /** Whether a page that begins after a position speaks of a loss that has to be told. */
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
