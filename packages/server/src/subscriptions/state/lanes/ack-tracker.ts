import type { Position, StoredRecord } from '../../../core/ports.ts';
import type { OpenEvent, Ordering } from '../definition.ts';
import type { RestoredEvents } from './restored-events.ts';
import { NO_POSITION, type Lane, type LanePage } from './lane.ts';
import { countBehindStoredLanes, openCounts, RestoredBacklog, type OpenCounts } from './lane-counts.ts';
import { LaneSchedule } from './lane-schedule.ts';
import { LaneSet, type OpenLanes } from './lane-set.ts';
import { storedEvent } from './lane-persistence.ts';
import { restoreLanes } from './restore-lanes.ts';
import { Checkpoint } from './checkpoint.ts';
import type { StoreChange } from '../subscription-store.ts';
import { assertInvariant } from '../../../core/primitives/invariant.ts';

/**
 * The progress of one consumer: its position, and the events that were taken up and are not done
 * (PROTOCOL.md section 14).
 *
 * Terms:
 *
 * - An event is *taken up* when it was read from the log into a lane.
 * - An event is *done* when it was delivered or given up on.
 * - An event is *open* while it is taken up and not done.
 * - A lane is a queue of open events that are delivered one after the other: those of one channel,
 *   or a single event without order. Its first event is the head. An *aside* lane has one event
 *   outside its channel's order (`lane.ts`).
 *
 * Example: the position is 9, and events 3, 5 and 7 are open. Events 3 and 7 are of `orders.42`,
 * and event 5 is of `orders.43`. `next` gives out 3 and 5. It gives out 7 after `complete` of 3.
 *
 * The tracker decides which events may be handed out, in per-channel order. It also decides what
 * the store must contain so that no event is skipped after a crash. It references events in memory;
 * its owner bounds their number and bytes. It releases the payload of an event whose delivery
 * fails.
 *
 * - Hand out: `advance`, `next`, then `complete`, `retry` or `retryUncounted` for each lane.
 * - Take up: `enqueue` with the events read after `position`. For each lane of `nextToRead`: read
 *   the page of `pageOf`, then call `onPageRead`.
 * - Store: `checkpoint`.
 */
export class AckTracker {
  readonly #ordering: Ordering;
  readonly #checkpoint: Checkpoint;
  readonly #lanes = new LaneSet();
  readonly #schedule = new LaneSchedule();
  readonly #buffered = this.#lanes.buffered;
  readonly #restoredBacklog = new RestoredBacklog();
  /** A gap that must be delivered before any later event is taken up. */
  #gap: Lane | undefined;
  #position: Position;
  #inFlight = 0;
  /** Events beyond the stored cursor that were open at the last checkpoint. They are read again. */
  #restoredEvents: RestoredEvents | undefined;

  /**
   * @param position every event up to here is done, is passed to `restore`, or waits behind one
   * that is
   * @param storesOpenLanes false: the store has only the cursor, which stays before every open
   * event
   */
  constructor(ordering: Ordering, position: Position, storesOpenLanes = true) {
    this.#ordering = ordering;
    this.#position = position;
    this.#checkpoint = new Checkpoint(position, storesOpenLanes);
  }

  /** Every matching event up to here has been taken up. */
  get position(): Position {
    return this.#position;
  }

  /** Lanes that are handed out. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Lanes that wait for the time of their next attempt. */
  get awaitingRetry(): number {
    return this.#schedule.awaitingRetry;
  }

  /** The cursor of the last checkpoint. */
  get cursor(): Position {
    return this.#checkpoint.cursor;
  }

  get bufferedCount(): number {
    return this.#buffered.count;
  }

  get bufferedBytes(): number {
    return this.#buffered.bytes;
  }

  /** True when no event is open and the next checkpoint has nothing to write. */
  get isIdle(): boolean {
    return this.#lanes.size === 0 && this.#checkpoint.isUpToDate;
  }

  /** True while an undelivered gap blocks all later events. */
  get isBlockedByGap(): boolean {
    return this.#gap !== undefined;
  }

  get hasReady(): boolean {
    return this.#schedule.hasReady;
  }

  /** When `advance` next finds a due lane, in milliseconds since 1970; Infinity for never. */
  get nextMs(): number {
    return this.#schedule.nextMs;
  }

  /** The lanes with at least one open event. */
  get lanes(): OpenLanes {
    return this.#lanes;
  }

  /**
   * Restores the events that were open at the last checkpoint. Leased events stay leased. All
   * others are due at their stored time.
   * @param countBehind number of events behind these events, from `SubscriptionStatus.held`
   */
  restore(events: readonly OpenEvent[], countBehind = 0): void {
    const target = {
      lanes: this.#lanes,
      schedule: this.#schedule,
      restoredBacklog: this.#restoredBacklog,
      position: this.#position,
      isOrdered: this.#isOrdered,
    };
    this.#restoredEvents = restoreLanes(events, target);
    for (const { phase } of this.#lanes.all()) if (phase === 'in_flight') this.#inFlight++;
    this.#restoredBacklog.setCount(countBehind);
  }

  /**
   * A tracker of the same progress with another order. It starts from the events of the last
   * checkpoint, so the caller makes a checkpoint just before.
   */
  withOrdering(ordering: Ordering): AckTracker {
    const next = new AckTracker(ordering, this.cursor);
    next.restore(this.storedEvents(), this.countBehindStored());
    return next;
  }

  /**
   * Takes up the next events of the log: all matching events after `position`, through `reached`.
   */
  enqueue(records: readonly StoredRecord[], reached: Position): void {
    for (const record of records) {
      assertInvariant(record.position > this.#position, 'tracker: no event is taken up twice');
      this.#enqueue(record);
    }
    if (reached > this.#position) this.#position = reached;
  }

  /**
   * Takes up a gap that begins after `position`. The owner takes up nothing else until the gap is
   * done. The cursor therefore stays before the gap, and a restarted consumer finds it again.
   */
  enqueueGap(record: StoredRecord): void {
    const lane = this.#lanes.open(record.channel, this.#position + 1, record, true);
    this.#gap = lane;
    this.#schedule.enqueue(lane);
  }

  /**
   * Takes up one event outside its channel's order, for example a dead letter that is retried. The
   * next checkpoint stores it, and its payload is read when its turn comes.
   * @returns false when the event is open already, or is after `position`
   */
  enqueueAside(channel: string, position: Position): boolean {
    if (position > this.#position) return false;
    if (this.#lanes.contains(channel, position)) return false;
    const lane = this.#lanes.open(channel, position, undefined, true);
    lane.phase = 'reading';
    lane.isRetried = true;
    this.#schedule.enqueue(lane);
    return true;
  }

  /** Makes due lanes ready, and reports each lane whose lease has ended. */
  advance(nowMs: number, onLeaseExpired?: (lane: Lane, lease: string) => void): void {
    this.#schedule.advance(nowMs, onLeaseExpired);
  }

  /** Makes every waiting lane due now, the oldest first. */
  retryNow(nowMs: number): void {
    this.#schedule.retryNow(nowMs);
  }

  /**
   * The next lane to hand out: its head and up to `countMax` - 1 events behind it. `undefined` when
   * no lane is ready. An event that failed before is handed out alone.
   */
  next(countMax = 1): Lane | undefined {
    const lane = this.#schedule.nextReady();
    if (lane === undefined) return undefined;
    lane.phase = 'in_flight';
    lane.startedInCheckpoint = this.#checkpoint.nextNumber;
    const behind = countMax > 1 && lane.attempts === 0 ? (lane.queue?.length ?? 0) : 0;
    lane.handedOutCount = Math.min(countMax, 1 + behind);
    lane.attempts++;
    this.#inFlight++;
    return lane;
  }

  /** Number of open events, with gaps that are still to be delivered. Visits every lane, O(n). */
  countOpen(): OpenCounts {
    return openCounts(this.#lanes.all(), this.#restoredBacklog);
  }

  /**
   * Number of events that the cursor has passed and that wait behind stored lanes. The store has
   * this number, so that it is known after a crash.
   */
  countBehindStored(): number {
    return countBehindStoredLanes(this.#lanes.all(), this.#restoredBacklog);
  }

  /** Number of events that may be handed out now, counted up to `countMax`. */
  countReady(countMax: number): number {
    return this.#schedule.countReady(countMax);
  }

  /** Makes the oldest waiting lane ready before its time, as a probe of a suspended endpoint. */
  takeProbe(): Lane | undefined {
    return this.#schedule.takeProbe();
  }

  /** The events that were handed out are done: delivered or given up on. */
  complete(lane: Lane): void {
    if (!this.#endDelivery(lane)) return;
    lane.removeHandedOut(this.#buffered);
    this.#advanceLane(lane);
  }

  /** The delivery failed. The head is tried again at `dueMs`; the events behind it leave memory. */
  retry(lane: Lane, dueMs: number): void {
    if (!this.#endDelivery(lane)) return;
    this.releaseHeadPayload(lane);
    lane.lease = undefined;
    lane.handedOutCount = 1;
    lane.unbuffer(0, this.#buffered);
    if (lane.gapAfter !== NO_POSITION) lane.rereadAfter(lane.gapAfter);
    this.#schedule.waitUntil(lane, dueMs);
  }

  /** Like `retry`, but the attempt does not count, because no request was sent. */
  retryUncounted(lane: Lane, dueMs: number): void {
    if (lane.phase === 'in_flight') lane.attempts--;
    this.retry(lane, dueMs);
  }

  /** Sets or replaces the lease on the events that were handed out. */
  lease(lane: Lane, name: string, endsMs: number): void {
    if (lane.phase !== 'in_flight') return;
    lane.lease = name;
    this.#schedule.setLeaseEnd(lane, endsMs);
  }

  /** Releases the payload of the head, because the worker has it. A new attempt reads it again. */
  releaseHeadPayload(lane: Lane): void {
    // A gap is not in the log, so its payload must stay in memory.
    if (lane !== this.#gap) lane.unbufferHead(this.#buffered);
  }

  /** The next lane that needs a page of the log. Each lane is returned once. */
  nextToRead(): Lane | undefined {
    return this.#schedule.nextToRead();
  }

  pageOf(lane: Lane): LanePage {
    return lane.page(this.#position);
  }

  /**
   * Takes up the page that `pageOf` named.
   * @param records the matching events of the lane's channel in that page
   * @param gap a record for events lost within the page; it is delivered before the others
   * @returns false when the log no longer has the head; the caller then calls `replaceHead`
   */
  onPageRead(lane: Lane, records: readonly StoredRecord[], reached: Position, gap?: StoredRecord): boolean {
    if (lane.phase !== 'reading') return true;
    if (!lane.isHeadDone) {
      const [head] = records;
      if (head?.position !== lane.position) return false;
      this.replaceHead(lane, head);
      return true;
    }
    // The store has one row for each position. An aside event may use the position of the last lost
    // event. In that case the gap uses the position of the last done event before it.
    const isPositionUsed = gap !== undefined && lane.asidePositions?.has(gap.position) === true;
    const { position } = lane;
    this.#restoredBacklog.onRead(lane, lane.enqueueBacklog(records, reached, this.#position, gap, this.#buffered));
    this.#advanceLane(lane);
    if (isPositionUsed) lane.position = position;
    return true;
  }

  /**
   * Sets the record that is handed out as the head: the event, or a gap when the log has lost it.
   */
  replaceHead(lane: Lane, record: StoredRecord): void {
    if (lane.phase !== 'reading') return;
    lane.record = record;
    lane.timeMs = record.timeMs;
    this.#buffered.add(record);
    lane.phase = 'ready';
    this.#schedule.enqueue(lane);
  }

  /** The log could not be read: the lane reads again at `dueMs`. */
  onReadFailed(lane: Lane, dueMs: number): void {
    if (lane.phase === 'reading') this.#schedule.waitUntil(lane, dueMs);
  }

  /**
   * Frees memory: lanes with many events in memory release the later ones and read them again.
   * @returns true when at least one event was released
   */
  freeMemory(): boolean {
    return this.#isOrdered && this.#lanes.freeMemory();
  }

  /**
   * Appends the changes since the last checkpoint. A consumer that starts from there skips no
   * event; it may repeat some. An event that was taken up and done between two checkpoints leaves
   * no row.
   * @returns the cursor of this checkpoint
   */
  checkpoint(subscription: string, changes: StoreChange[]): Position {
    return this.#checkpoint.update(this.#lanes.all(), this.#gap, this.#position, subscription, changes);
  }

  /** The events that were open at the last checkpoint. */
  storedEvents(): OpenEvent[] {
    return [...this.#lanes.all()].map(storedEvent).filter((event) => event !== undefined);
  }

  /**
   * Releases events that were erased in the log. Their lanes read the log again, and find a gap at
   * their place. A request in flight is not stopped.
   * @param channels the channels of the events
   */
  releaseErased(channels: ReadonlySet<string>): void {
    this.#lanes.release(channels, this.#gap);
    this.#schedule.rereadEmptied();
  }

  /** Visits every lane, and every event in memory. */
  assertInvariants(): void {
    this.#lanes.assertInvariants();
    let inFlight = 0;
    for (const { phase } of this.#lanes.all()) if (phase === 'in_flight') inFlight++;
    assertInvariant(inFlight === this.#inFlight, 'tracker: the lanes that are handed out are counted');
    assertInvariant(this.cursor <= this.#position, 'tracker: the stored cursor is not after the position');
    this.#schedule.assertInvariants(this.#lanes.all());
  }

  get #isOrdered(): boolean {
    return this.#ordering === 'per-channel';
  }

  #enqueue(record: StoredRecord): void {
    if (this.#restoredEvents?.consume(record) === true)
      return this.#lanes.ofChannel(record.channel)?.addAside(record.position);
    const lane = this.#isOrdered ? this.#lanes.ofChannel(record.channel) : undefined;
    if (lane === undefined) {
      this.#schedule.enqueue(this.#lanes.open(record.channel, record.position, record, !this.#isOrdered));
      return;
    }
    lane.append(record, this.#buffered);
  }

  /** False when the lane is not handed out: its outcome has been processed already. */
  #endDelivery(lane: Lane): boolean {
    if (lane.phase !== 'in_flight') return false;
    this.#inFlight--;
    assertInvariant(this.#inFlight >= 0, 'tracker: each lane that is handed out ends once');
    this.#schedule.clearLeaseEnd(lane);
    return true;
  }

  /** The head is done: the lane goes on to the event behind it. */
  #advanceLane(lane: Lane): void {
    lane.advance();
    if (lane.phase === 'done') this.#removeLane(lane);
    else this.#schedule.enqueue(lane);
  }

  #removeLane(lane: Lane): void {
    this.#lanes.delete(lane);
    if (lane === this.#gap) this.#gap = undefined;
    this.#checkpoint.onLaneDone(lane);
  }
}
