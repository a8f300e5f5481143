import type { Wakeable } from '../../core/interests/interest.ts';
import type { Position, StoredRecord } from '../../core/ports.ts';
import { AckTracker } from '../state/lanes/ack-tracker.ts';
import type { Ordering, SubscriptionDefinition, SubscriptionStatus } from '../state/definition.ts';
import type { DueItem } from '../state/due-heap.ts';
import type { OpenCounts } from '../state/lanes/lane-counts.ts';
import type { Subscription } from '../state/ports.ts';
import type { StoreChange, StoredSubscription } from '../state/subscription-store.ts';
import { EventIntake, type EventIntakeParts } from './event-intake.ts';
import { EventSelection } from './event-selection.ts';
import type { Executor } from './executor.ts';
import { createEpochGap } from './gap.ts';
import { internDefinition } from './intern-definition.ts';
import { readLanes } from './lane-reads.ts';
import type { ReportedLoss } from './reported-loss.ts';

/** The parts that all durable consumers share. */
export interface DurableConsumerParts extends EventIntakeParts {
  /** Counts pending events that memory alone cannot count. */
  readonly counter: { enqueue(consumer: DurableConsumer): void };
}

/** Bytes of events that one consumer has in memory, at most; one event is always allowed. */
const BUFFERED_BYTES_MAX = 1024 * 1024;
/** Events in one page. */
const PAGE_COUNT_MAX = 256;

/** Where a consumer starts: what the store has of it, besides its definition. */
export type StoredProgress = Pick<StoredSubscription, 'status' | 'open' | 'deadLetters'>;

/**
 * One durable subscription at work. It is a position in the log and an interest. Published events
 * wake it like every reader, and it takes up as many events as its executor asks for.
 *
 * Example: a webhook for `orders.>` is at position 90, and the head of the log is 100. It takes up
 * the matching events from 91 on, and the webhook dispatcher sends them.
 *
 * - *Live*: it has taken up every event to the head. Its position then moves with the head.
 * - *Quiet*: it has no open event and none to take up. It then has no tracker, and keeps only its
 *   position in memory.
 *
 * An event is *taken up* when it waits in a lane, *open* until its delivery succeeds or ends, and
 * then *done* (`state/lanes/ack-tracker.ts`). A *lane* is a queue of events that are delivered one
 * after the other (`state/lanes/lane.ts`).
 *
 * Its *position* is how far it has taken up events. The *cursor* is what the store has of it
 * (`state/lanes/checkpoint.ts`). Every event up to the cursor is done, has a row, or waits behind
 * one that has.
 *
 * Each kind is a class of its own, which adds what its executor needs: `WebhookConsumer`,
 * `PullConsumer` and `ReplayConsumer`. A replay has an end; the others go on for ever.
 */
export abstract class DurableConsumer<Definition extends SubscriptionDefinition = SubscriptionDefinition>
  implements Wakeable, DueItem
{
  readonly #parts: DurableConsumerParts;
  readonly executor: Executor<DurableConsumer>;
  #definition: Definition;
  #status: SubscriptionStatus;
  readonly #intake: EventIntake;
  #tracker: AckTracker | undefined;
  /** The position while there is no tracker: every event up to here is taken up and done. */
  #position: Position;
  /** True after the consumer has taken up every event to the head of that moment. */
  #isLive = false;
  #isJoined = false;
  /** `DeadLetters` counts them. */
  deadLetterCount: number;
  /** Of `Wakeable`: its index among the readers of its interest. */
  index = -1;
  /** Of `DueItem`: when its executor looks at it again, and its place in the heap. */
  dueMs = 0;
  heapIndex = -1;

  constructor(
    parts: DurableConsumerParts,
    definition: Definition,
    { status, open, deadLetters }: StoredProgress,
    executor: Executor<DurableConsumer>,
    end: Position = Infinity,
  ) {
    this.#parts = parts;
    this.executor = executor;
    const selection = new EventSelection(parts.feed, definition);
    this.#definition = internDefinition(definition, selection.interest.patterns);
    const { held } = status;
    this.#status = held === undefined ? status : { ...status, held: undefined };
    this.deadLetterCount = deadLetters;
    this.#position = status.cursor;
    // A consumer from position 0 gets no gap for events that were deleted before it began. A
    // consumer of a lost log is an exception.
    const ignoreLossThrough = this.#position === 0 && status.lost === undefined ? parts.feed.head : 0;
    this.#intake = new EventIntake(parts, selection, ignoreLossThrough, end);
    if (open.length > 0) this.tracker.restore(open, held);
    this.#enqueueLostGap();
  }

  get id(): string {
    return this.#definition.id;
  }

  get definition(): Definition {
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

  get isActive(): boolean {
    return this.status.state === 'active';
  }

  /** The lag of readers leaves subscriptions out: they report their own. */
  get isDurable(): boolean {
    return true;
  }

  /** The subscription's own consumer; for a replay, the one it belongs to. */
  get primary(): DurableConsumer {
    return this;
  }

  /** True when a consumer with an end, a replay, has taken up every event. */
  get hasReachedEnd(): boolean {
    return this.position >= this.#intake.end;
  }

  /** As a reader: the position through which every event has been taken up. */
  get position(): Position {
    const position = this.#tracker?.position ?? this.#position;
    return this.#isLive ? Math.max(position, Math.min(this.#parts.feed.head, this.#intake.end)) : position;
  }

  /** True when it is at the head of the log, or a replay at its end, as far as it knows. */
  get isLive(): boolean {
    return this.#isLive;
  }

  get isReading(): boolean {
    return this.#intake.isReading;
  }

  /** Created on first use; `releaseMemory` drops it. */
  get tracker(): AckTracker {
    this.#tracker ??= this.createTracker(this.#definition.ordering, this.#position);
    return this.#tracker;
  }

  protected createTracker(ordering: Ordering, position: Position): AckTracker {
    return new AckTracker(ordering, position);
  }

  get hasTracker(): boolean {
    return this.#tracker !== undefined;
  }

  /**
   * The publish time of the oldest event that is not done, in milliseconds since 1970. It is a
   * lower bound where the time is not known, and Infinity when every event is done. The method may
   * find that the consumer is quiet, and then makes it live.
   */
  oldestMs(): number {
    const { feed } = this.#parts;
    const { lastTakenMs, selection } = this.#intake;
    const unknownMs = Math.min(lastTakenMs, this.status.failingSinceMs ?? Infinity);
    const oldestMs = this.#tracker?.lanes.oldestMs(unknownMs) ?? Infinity;
    if (oldestMs < Infinity || this.#isLive || this.position >= feed.head) return oldestMs;
    // A pull subscription without a worker may never have read the log.
    const isQuiet = this.#isJoined && this.settleIfQuiet();
    const empty = this.#intake.emptyThrough(this.position);
    return isQuiet || feed.isQuiet(selection.interest, empty) === true ? Infinity : lastTakenMs;
  }

  /** The loss that it has been informed of. */
  get reportedLoss(): ReportedLoss {
    return this.#intake.reportedLoss;
  }

  /** Number of open events. */
  get openCounts(): OpenCounts {
    return this.#tracker?.countOpen() ?? NOTHING_OPEN;
  }

  /**
   * Number of events that are not done, including those not taken up. It is too high until the
   * counter has counted the events that memory alone cannot count, and beyond 100,000 of them.
   */
  lagEvents(head: Position): number {
    const { inFlight, failing, waiting } = this.openCounts;
    const pendingCount = this.#intake.countPending(this.position, head);
    if (this.needsCounting) this.#parts.counter.enqueue(this);
    return inFlight + failing + waiting + pendingCount;
  }

  /** True when only `countPending` can tell the number of pending events. */
  get needsCounting(): boolean {
    return this.#intake.needsCounting(this.position);
  }

  /**
   * Counts one more page of pending events. An idle consumer moves past events that do not match.
   */
  async countPending(): Promise<void> {
    const { reads, feed } = this.#parts;
    await reads.run(() => this.#intake.countPage(this.position));
    if (!this.#isJoined || this.#isLive || this.#tracker !== undefined) return;
    const before = this.#position;
    this.#position = Math.min(feed.head, this.#intake.emptyThrough(before));
    this.#intake.onTaken(0, before, this.#position);
    this.settleIfQuiet();
  }

  /** Asks its executor for a turn. */
  schedule(): void {
    this.executor.schedule(this);
  }

  /** Joins its interest, so that published events wake it. */
  join(): void {
    if (this.#isJoined) return;
    this.#isJoined = true;
    this.#parts.feed.join(this.selection.interest, this);
    this.schedule();
  }

  leave(): void {
    if (!this.#isJoined) return;
    this.#freezePosition();
    this.#isJoined = false;
    this.#parts.feed.leave(this.selection.interest, this);
  }

  /**
   * Reads no clock. The processor reads it after all that came before, so the consumers of an event
   * would wait for their memory one after the other (docs/decisions/0075-prefetched-readers.md).
   */
  wake(from: Position, timeMs: number): void {
    if (this.#isLive) {
      this.#isLive = false;
      this.#intake.onBehind(timeMs);
      if (this.#tracker !== undefined) this.#tracker.enqueue(NO_RECORDS, from);
      else if (from > this.#position) this.#position = from;
    }
    this.executor.scheduleWoken(this);
  }

  /**
   * Applies a new definition. Events already taken up stay. The caller makes a checkpoint just
   * before, because a change of order restarts from it.
   */
  redefine(definition: Definition): void {
    const { feed } = this.#parts;
    this.#freezePosition();
    const { ordering } = this.#definition;
    const { interest } = this.selection;
    const selection = new EventSelection(feed, definition);
    this.#definition = internDefinition(definition, selection.interest.patterns);
    this.#intake.select(selection);
    if (ordering !== definition.ordering) this.#reorder();
    if (!this.#isJoined || interest === selection.interest) return;
    feed.leave(interest, this);
    feed.join(selection.interest, this);
  }

  /**
   * Takes up events until `bufferedMax` are in memory, or until `openMax` lanes wait for their next
   * attempt: from memory immediately, else from the log later.
   */
  fill(bufferedMax: number, openMax: number): void {
    const { tracker } = this;
    this.readLanes();
    const intake = this.#intake;
    while (!intake.isReading && !this.#isLive) {
      if (tracker.isBlockedByGap || tracker.bufferedCount >= bufferedMax || tracker.bufferedBytes >= BUFFERED_BYTES_MAX)
        return;
      if (tracker.awaitingRetry >= openMax) return;
      if (this.hasReachedEnd) break;
      if (!intake.takeUp(tracker, Math.min(PAGE_COUNT_MAX, bufferedMax), this)) {
        this.#isLive = true;
        tracker.enqueue(NO_RECORDS, Math.min(this.#parts.feed.head, intake.end));
      }
      // No event of this log is read before the gap of a lost log has been delivered.
      if (intake.isReading) this.#clearReportedLoss();
    }
    if (this.hasReachedEnd) this.#isLive = true;
  }

  /**
   * Makes a consumer without open events live if no event is to be taken up. Returns whether
   * it is quiet. Most subscriptions are quiet most of the time. They then keep only their position.
   */
  settleIfQuiet(): boolean {
    if (this.#tracker !== undefined) return false;
    const { feed } = this.#parts;
    if (!this.#isLive) {
      if (feed.isQuiet(this.selection.interest, this.#position) !== true) return false;
      this.#position = Math.max(this.#position, feed.head);
      this.#isLive = true;
    }
    return true;
  }

  /** Reads the pages that its lanes need. */
  readLanes(): void {
    readLanes(this.#parts, this);
  }

  /** Events of these channels were erased in the log: none is sent from memory. */
  releaseErased(channels: ReadonlySet<string>): void {
    if (this.#tracker === undefined) return;
    this.#tracker.releaseErased(channels);
    this.schedule();
  }

  /** Drops the tracker of an idle consumer. */
  releaseMemory(): void {
    if (this.#tracker === undefined || !this.#tracker.isIdle || this.isReading) return;
    this.#position = this.#tracker.position;
    this.#tracker = undefined;
  }

  /** The changes of the store since the last checkpoint. */
  checkpoint(): StoreChange[] {
    const changes: StoreChange[] = [];
    const cursor = this.checkpointOpenEvents(changes);
    if (cursor !== this.#status.cursor) this.#status = { ...this.#status, cursor };
    const held = this.#tracker?.countBehindStored() ?? 0;
    const status = held > 0 ? { ...this.#status, held } : this.#status;
    changes.push({ kind: 'status', subscription: this.id, status });
    return changes;
  }

  /** Appends the changes of its open events. Returns the cursor of this checkpoint. */
  protected checkpointOpenEvents(changes: StoreChange[]): Position {
    const cursor = this.#tracker?.checkpoint(this.id, changes) ?? this.position;
    this.#clearReportedLoss();
    return cursor;
  }

  /**
   * True when the last checkpoint left the cursor behind the position. An event whose first attempt
   * has just begun, or not yet, has no row and held it back. Or events were taken up since. A later
   * checkpoint gives such an event a row, or finds it done.
   */
  get needsCheckpoint(): boolean {
    return this.#tracker !== undefined && this.#status.cursor < this.#tracker.position;
  }

  /** The events that the subscription matches. */
  get selection(): EventSelection {
    return this.#intake.selection;
  }

  /**
   * Whether a channel is one of the subscription's present channels. The hub sends no event of
   * another channel: a change, a new endpoint or a pull is authorized for the present channels
   * alone.
   */
  hasChannel(channel: string): boolean {
    return this.selection.hasChannel(channel);
  }

  /** Forgets the lost log when the gap that reports it has been delivered. */
  #clearReportedLoss(): void {
    if (this.#status.lost === undefined || this.#tracker?.isBlockedByGap === true) return;
    this.#status = { ...this.#status, lost: undefined };
  }

  /** Stores the position of a live consumer, before anything about its reading changes. */
  #freezePosition(): void {
    if (!this.#isLive) return;
    const { feed, clock } = this.#parts;
    const { head } = feed;
    this.#isLive = false;
    this.#intake.onBehind(clock.nowMs());
    if (this.#tracker !== undefined) this.#tracker.enqueue(NO_RECORDS, head);
    else this.#position = Math.max(this.#position, head);
  }

  /** The order has changed. Open events go on under the new order, from the last checkpoint. */
  #reorder(): void {
    if (this.#tracker === undefined) return;
    const { cursor } = this.#tracker;
    // The log is read again from the cursor. An undelivered gap is stored nowhere else, and events
    // that were in memory alone may be lost meanwhile.
    this.#intake.reportedLoss.restartAt(cursor);
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
}

const NO_RECORDS: readonly StoredRecord[] = [];
const NOTHING_OPEN: OpenCounts = { inFlight: 0, failing: 0, waiting: 0 };
