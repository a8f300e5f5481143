import type { Feed } from '../../core/feed.ts';
import type { Clock, Position } from '../../core/ports.ts';
import type { Semaphore } from '../../core/primitives/semaphore.ts';
import type { RecordPage } from '../../core/record-reader.ts';
import type { AckTracker } from '../state/lanes/ack-tracker.ts';
import type { EventSelection } from './event-selection.ts';
import { PAGE_BYTES_MAX, READ_RETRY_MS } from './lane-reads.ts';
import { PendingEventCounter, type CountScope } from './pending-event-counter.ts';
import { ReportedLoss } from './reported-loss.ts';

export interface EventIntakeParts {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly reads: Semaphore;
}

interface Schedulable {
  schedule(): void;
}

/**
 * Reads the events of a consumer from the log into its tracker. If some are lost, a gap comes
 * before the others. It also counts the events that are still to be read.
 *
 * Example: the tracker is at position 90, and the head of the log is 100. `takeUp` enqueues the
 * matching events from 91 on, immediately from memory, else after a read of the log.
 */
export class EventIntake {
  readonly #parts: EventIntakeParts;
  #selection: EventSelection;
  /** The last position that is taken up: Infinity, except for a replay. */
  readonly end: Position;
  readonly #ignoreLossThrough: Position;
  #reportedLoss: ReportedLoss | undefined;
  #pendingEvents: PendingEventCounter | undefined;
  /** Increases when the current read is no longer wanted. */
  #readGeneration = 0;
  #isReading = false;
  /**
   * Lower bound for the publish time of events not taken up, in milliseconds since 1970. It is the
   * publish time of the last event taken up, or the moment when the consumer began. After it was
   * live, it is the publish time of the first event since.
   */
  #lastTakenMs: number;

  /** @param ignoreLossThrough the position through which loss is not reported */
  constructor(parts: EventIntakeParts, selection: EventSelection, ignoreLossThrough: Position, end: Position) {
    this.#parts = parts;
    this.#selection = selection;
    this.end = end;
    this.#ignoreLossThrough = ignoreLossThrough;
    this.#lastTakenMs = parts.clock.nowMs();
  }

  get selection(): EventSelection {
    return this.#selection;
  }

  /** Created on first use: most subscriptions never lose an event. */
  get reportedLoss(): ReportedLoss {
    return (this.#reportedLoss ??= new ReportedLoss(this.#ignoreLossThrough));
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  get lastTakenMs(): number {
    return this.#lastTakenMs;
  }

  /** The consumer is no longer live: events of later publish times are to be taken up. */
  onBehind(timeMs: number): void {
    this.#lastTakenMs = timeMs;
  }

  /** Selects other events from now on. The result of a read in progress is dropped. */
  select(selection: EventSelection): void {
    this.#selection = selection;
    this.#readGeneration++;
    this.#isReading = false;
  }

  /**
   * Takes up the next page after the tracker's position.
   * @param owner is scheduled after a read of the log
   * @returns false when there is no later event; the caller then moves the tracker to the head
   */
  takeUp(tracker: AckTracker, countMax: number, owner: Schedulable): boolean {
    const page = this.#parts.feed.nextRecords(this.#selection.interest, tracker.position, countMax, PAGE_BYTES_MAX);
    if (page === undefined) return false;
    if (page === 'behind') this.#read(tracker, countMax, owner);
    else this.#enqueuePage(tracker, page);
    return true;
  }

  /** The number of pending events after a position; an upper bound while `needsCounting`. */
  countPending(after: Position, head: Position): number {
    return after >= head ? 0 : this.#pending.count(this.#countScope, after, head);
  }

  /** True when only `countPage` can tell the number of pending events. */
  needsCounting(after: Position): boolean {
    return after < this.#parts.feed.head && this.#pending.needsRead(this.#countScope, after);
  }

  /** Counts one more page of pending events. */
  countPage(after: Position): Promise<void> {
    return this.#pending.countPage(this.#countScope, after);
  }

  /**
   * The position through which there is neither an event nor a gap; `after` itself when unknown.
   */
  emptyThrough(after: Position): Position {
    return this.#pendingEvents?.emptyThrough(this.#countScope, after) ?? after;
  }

  /** The consumer has moved past `count` events. */
  onTaken(count: number, after: Position, reached: Position): void {
    this.#pendingEvents?.onTaken(count, after, reached);
  }

  #read(tracker: AckTracker, countMax: number, owner: Schedulable): void {
    const { feed, reads } = this.#parts;
    const generation = this.#readGeneration;
    const after = tracker.position;
    this.#isReading = true;
    const onPage = (page: RecordPage): void => {
      if (this.#readGeneration !== generation) return;
      this.#isReading = false;
      this.#enqueuePage(tracker, page);
      owner.schedule();
    };
    const onError = (): void => {
      if (this.#readGeneration !== generation) return;
      setTimeout(() => {
        if (this.#readGeneration !== generation) return;
        this.#isReading = false;
        owner.schedule();
      }, READ_RETRY_MS).unref();
    };
    const { interest } = this.#selection;
    const read = (): Promise<RecordPage> =>
      feed.readRecords(interest, after, Math.min(feed.head, this.end), countMax, PAGE_BYTES_MAX);
    reads.run(read).then(onPage, onError);
  }

  /** Takes up a gap first; then the page is read again. */
  #enqueuePage(tracker: AckTracker, page: RecordPage): void {
    const after = tracker.position;
    if (page.gapThrough <= after || !this.reportedLoss.hasUnreported(page, after))
      return this.#enqueueRecords(tracker, page);
    const { feed, clock } = this.#parts;
    tracker.enqueueGap(this.reportedLoss.report(page, after, feed.epoch, clock.nowMs()));
  }

  #enqueueRecords(tracker: AckTracker, { records, reached }: RecordPage): void {
    const { end } = this;
    const matching = reached <= end ? records : records.filter(({ position }) => position <= end);
    const accepted = this.#selection.matching(matching);
    this.onTaken(accepted.length, tracker.position, reached);
    tracker.enqueue(accepted, Math.min(reached, end));
    this.#lastTakenMs = matching.at(-1)?.timeMs ?? this.#lastTakenMs;
  }

  get #pending(): PendingEventCounter {
    return (this.#pendingEvents ??= new PendingEventCounter());
  }

  get #countScope(): CountScope {
    return { feed: this.#parts.feed, selection: this.#selection, reportedLoss: this.reportedLoss };
  }
}
