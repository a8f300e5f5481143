import type { Position, StoredRecord } from '../../core/ports.ts';
import type { OpenEvent, Ordering } from './definition.ts';
import { RestoredEvents } from './restored-events.ts';
import { BufferedEvents } from './buffered-events.ts';
import { Lane, NO_POSITION, type LanePage } from './lane.ts';
import { countBehindStoredLanes, openCounts, UncountedBacklog, type OpenCounts } from './lane-counts.ts';
import { LaneSchedule } from './lane-schedule.ts';
import { markStored, storedEvent } from './lane-persistence.ts';
import { Checkpoint } from './checkpoint.ts';
import type { StoreChange } from './ports.ts';
import type { Queue } from '../../core/primitives/queue.ts';

/** Events that stay in memory behind a head when there is too little room for others. */
const LANE_COUNT_KEPT = 2;

/**
 * How far a subscription has come: its position, and what has been taken up and is not done (PROTOCOL.md section 14). It decides what may
 * be handed out, in per-channel order, and what has to be on the disk so that after a crash nothing is skipped. It holds references to
 * events, in number and bytes as many as its owner has it take up; what fails it lets go of.
 *
 * Handing out: `advance`, `next`, then `done`, `retry` or `putBack` for each lane. Taking up: `take` what was read after `position`, and
 * for each `nextToRead` the page that `pageOf` names. Keeping: `note`.
 */
export class AckTracker {
  readonly #ordering: Ordering;
  readonly #checkpoint: Checkpoint;
  readonly #lanes = new Set<Lane>();
  readonly #byChannel = new Map<string, Lane>();
  readonly #schedule = new LaneSchedule();
  readonly #buffered = new BufferedEvents();
  readonly #uncounted = new UncountedBacklog();
  /** A gap that has to be told before anything after it is taken up. */
  #gap: Lane | undefined;
  #position: Position;
  #inFlight = 0;
  /** What was open beyond the cursor when it was noted, and so will be read again. */
  #restoredEvents: RestoredEvents | undefined;

  /**
   * @param position everything up to here is done, or comes by `restore`
   * @param storesOpenLanes false: nothing but the cursor is kept, which then stays behind whatever is not done
   */
  constructor(ordering: Ordering, position: Position, storesOpenLanes = true) {
    this.#ordering = ordering;
    this.#position = position;
    this.#checkpoint = new Checkpoint(position, storesOpenLanes);
  }

  /** Everything that is meant up to here has been taken up. */
  get position(): Position {
    return this.#position;
  }

  /** Lanes that are handed out. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Lanes that wait for their time. */
  get waiting(): number {
    return this.#schedule.waiting;
  }

  /** Lanes with something that is not done. */
  get size(): number {
    return this.#lanes.size;
  }

  /** As it was last noted. */
  get cursor(): Position {
    return this.#checkpoint.cursor;
  }

  get bufferedCount(): number {
    return this.#buffered.count;
  }

  get bufferedBytes(): number {
    return this.#buffered.bytes;
  }

  /** Whether it knows of nothing that is not done, and has nothing left to note. */
  get isIdle(): boolean {
    return this.#lanes.size === 0 && this.#checkpoint.isUpToDate;
  }

  /** Whether a gap holds up what comes after it. */
  get isBlockedByGap(): boolean {
    return this.#gap !== undefined;
  }

  get hasReady(): boolean {
    return this.#schedule.hasReady;
  }

  get hasToRead(): boolean {
    return this.#schedule.hasToRead;
  }

  /** When `advance` next finds something; Infinity for never. */
  get nextMs(): number {
    return this.#schedule.nextMs;
  }

  /** In no order. */
  lanes(): Iterable<Lane> {
    return this.#lanes;
  }

  /**
   * What was open when it was last noted. Leased events stay leased; all others are due at the time that was set for them.
   * @param held how many events were behind those, as `held` said
   */
  restore(events: readonly OpenEvent[], held = 0): void {
    for (const event of events.toSorted((one, other) => one.position - other.position)) {
      if (event.position > this.#position) (this.#restoredEvents ??= new RestoredEvents()).add(event);
      const before = this.#byChannel.get(event.channel);
      // Of two in one channel the later one has followers: stores of before do not say which one is a dead letter that is tried again.
      const isAside = event.isAside === true || (before !== undefined && before.backlogAfter !== NO_POSITION);
      if (!isAside && before !== undefined) this.#removeFromChannel(before);
      this.#restoreLane(event, isAside);
    }
    for (const { channel, position, isAside } of this.#lanes) {
      const lane = isAside ? this.#byChannel.get(channel) : undefined;
      if (lane !== undefined && lane.position < position) lane.addAside(position);
    }
    this.#uncounted.setCount(held);
  }

  /** The same under another order: what is open goes on from what has just been noted of it. */
  withOrdering(ordering: Ordering): AckTracker {
    const next = new AckTracker(ordering, this.cursor);
    next.restore(this.storedEvents(), this.countBehindStored());
    return next;
  }

  /** Takes up what comes next in the log, all that is meant after `position`, up to and with `reached`. */
  enqueue(records: readonly StoredRecord[], reached: Position): void {
    for (const record of records) this.#enqueue(record);
    if (reached > this.#position) this.#position = reached;
  }

  /**
   * Takes up a gap that begins after `position`: until it is done nothing should be taken, so that the cursor stays before it, and
   * whoever starts anew comes upon it again.
   */
  enqueueGap(record: StoredRecord): void {
    const lane = this.#addLane(record.channel, this.#position + 1, record, true);
    this.#gap = lane;
    this.#schedule.enqueue(lane);
  }

  /**
   * Takes up a single event beside all others, whatever the order: it is kept at once, and read when its turn comes. False where it cannot
   * be now: something else still stands at its place, or it is still to come.
   */
  enqueueAside(channel: string, position: Position): boolean {
    if (position > this.#position) return false;
    for (const other of this.#lanes) if (other.contains(channel, position)) return false;
    const lane = this.#addLane(channel, position, undefined, true);
    lane.phase = 'reading';
    lane.isRetried = true;
    this.#schedule.enqueue(lane);
    return true;
  }

  /** What was taken up aside, and neither waits nor is handed out. Looks at all lanes. */
  countAside(): number {
    let count = 0;
    for (const { isRetried, phase } of this.#lanes)
      if (isRetried && (phase === 'ready' || phase === 'reading')) count++;
    return count;
  }

  /** Brings forth what has come due by now; lanes whose lease is over are told. */
  advance(nowMs: number, onLeaseExpired?: (lane: Lane) => void): void {
    this.#schedule.advance(nowMs, onLeaseExpired);
  }

  /** Everything that waits is due now, the oldest first. */
  retryNow(nowMs: number): void {
    this.#schedule.retryNow(nowMs);
  }

  /**
   * The next lane to be handed out, its head and up to `countMax` - 1 events behind it; `undefined` when there is none now. Whatever
   * failed before goes alone.
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

  /**
   * When the oldest event that is not done was published; Infinity where there is none. Looks at all of them.
   * @param unknownMs for what is from before a restart, and has not been read again
   */
  oldestMs(unknownMs: number): number {
    let oldestMs = Infinity;
    for (const { timeMs } of this.#lanes) oldestMs = Math.min(oldestMs, timeMs > 0 ? timeMs : unknownMs);
    return oldestMs;
  }

  /** What has been taken up and is not done, in events, with gaps that are to be told. Looks at all lanes. */
  countOpen(): OpenCounts {
    return openCounts(this.#lanes, this.#uncounted);
  }

  /** Events that the cursor has passed, behind what is kept by itself: to be known again after a crash. */
  countBehindStored(): number {
    return countBehindStoredLanes(this.#lanes, this.#uncounted);
  }

  /** How many events may be handed out now, as far as `countMax`. */
  countReady(countMax: number): number {
    return this.#schedule.countReady(countMax);
  }

  /** The oldest of those that wait, ahead of its time: a probe. */
  takeProbe(): Lane | undefined {
    return this.#schedule.takeProbe();
  }

  /** The events that were handed out together. */
  collectHandedOut(lane: Lane, into: StoredRecord[]): void {
    into.push(lane.record as StoredRecord);
    for (let index = 0; index < lane.handedOutCount - 1; index++)
      into.push((lane.queue as Queue<StoredRecord>).at(index));
  }

  /** What was handed out is done with: delivered, or given up on. */
  complete(lane: Lane): void {
    if (!this.#endDelivery(lane)) return;
    this.#buffered.remove(lane.record);
    for (; lane.handedOutCount > 1; lane.handedOutCount--) {
      const record = lane.queue?.shift() as StoredRecord;
      lane.position = record.position;
      this.#buffered.remove(record);
    }
    lane.gapAfter = NO_POSITION;
    this.#advanceLane(lane);
  }

  /** Fewer are handed out with the head than `next` said. */
  narrow(lane: Lane, count: number): void {
    if (lane.phase === 'in_flight') lane.handedOutCount = Math.max(1, Math.min(lane.handedOutCount, count));
  }

  /** What was handed out was not taken: the head is tried again at a time, and what is behind it is let go of. */
  retry(lane: Lane, dueMs: number): void {
    if (!this.#endDelivery(lane)) return;
    // A gap stands in no log.
    if (lane !== this.#gap) {
      this.#buffered.remove(lane.record);
      lane.record = undefined;
    }
    lane.lease = undefined;
    lane.handedOutCount = 1;
    lane.unbuffer(0, this.#buffered);
    if (lane.gapAfter !== NO_POSITION) lane.rereadAfter(lane.gapAfter);
    this.#schedule.waitUntil(lane, dueMs);
  }

  /** As `retry`, and the delivery does not count: it was never tried. */
  retryUncounted(lane: Lane, dueMs: number): void {
    if (lane.phase === 'in_flight') lane.attempts--;
    this.retry(lane, dueMs);
  }

  /** A lease on what was handed out; it may be set anew. */
  lease(lane: Lane, name: string, endsMs: number): void {
    if (lane.phase !== 'in_flight') return;
    lane.lease = name;
    this.#schedule.setLeaseEnd(lane, endsMs);
  }

  /** Whoever has what was handed out has its payload: should it be tried again, it is read again. */
  releaseHeadPayload(lane: Lane): void {
    // A gap stands in no log.
    if (lane === this.#gap) return;
    this.#buffered.remove(lane.record);
    lane.record = undefined;
  }

  /** A lane that needs a page of the log, and what page; each once. */
  nextToRead(): Lane | undefined {
    return this.#schedule.nextToRead();
  }

  pageOf(lane: Lane): LanePage {
    return lane.page(this.#position);
  }

  /**
   * A page that was asked for: of the lane's channel, what is meant in it. False when the head itself is no longer in the log; it then
   * needs a `substitute`.
   * @param gap what stands for events that are lost between where the page begins and ends; told before the others
   */
  onPageRead(lane: Lane, records: readonly StoredRecord[], reached: Position, gap?: StoredRecord): boolean {
    if (lane.phase !== 'reading') return true;
    if (!lane.isHeadDone) {
      const [head] = records;
      if (head?.position !== lane.position) return false;
      this.replaceHead(lane, head);
      return true;
    }
    // The store has one row a place, and what is open by itself may have that of the last lost event: then the gap keeps the row of what is
    // done before it.
    const isPositionUsed = gap !== undefined && lane.asidePositions?.has(gap.position) === true;
    const { position } = lane;
    if (gap !== undefined) {
      lane.gapAfter = lane.backlogAfter;
      lane.enqueue(gap, this.#buffered);
    }
    lane.backlogAfter = reached >= Math.min(this.#position, lane.backlogThrough) ? NO_POSITION : reached;
    const { asidePositions } = lane;
    const behind =
      asidePositions === undefined ? records : records.filter(({ position }) => !asidePositions.has(position));
    this.#uncounted.onRead(lane, behind.length);
    for (const record of behind) lane.enqueue(record, this.#buffered);
    this.#advanceLane(lane);
    if (isPositionUsed) lane.position = position;
    return true;
  }

  /** What is handed out in place of a head that the log no longer has. */
  replaceHead(lane: Lane, record: StoredRecord): void {
    if (lane.phase !== 'reading') return;
    lane.record = record;
    lane.timeMs = record.timeMs;
    this.#buffered.add(record);
    lane.phase = 'ready';
    this.#schedule.enqueue(lane);
  }

  /** The log could not be read: the lane asks again, at a time. */
  onReadFailed(lane: Lane, dueMs: number): void {
    if (lane.phase === 'reading') this.#schedule.waitUntil(lane, dueMs);
  }

  /** Makes room: of channels that have much in memory, the later events are let go of, to be read again. True when it has. */
  freeMemory(): boolean {
    const before = this.#buffered.count;
    if (this.#isOrdered)
      for (const lane of this.#lanes) lane.unbuffer(Math.max(LANE_COUNT_KEPT, lane.handedOutCount - 1), this.#buffered);
    return this.#buffered.count < before;
  }

  /**
   * Writes down what has changed since the last note, so that whoever starts from there repeats what must be and skips nothing. What was
   * taken up and done between two notes leaves no trace.
   * @returns the cursor that goes with it
   */
  checkpoint(subscription: string, changes: StoreChange[]): Position {
    return this.#checkpoint.update(this.#lanes, this.#gap, this.#position, subscription, changes);
  }

  /** What was open when it was last noted. */
  storedEvents(): OpenEvent[] {
    const events: OpenEvent[] = [];
    for (const lane of this.#lanes) {
      const event = storedEvent(lane);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  get #isOrdered(): boolean {
    return this.#ordering === 'per-channel';
  }

  #enqueue(record: StoredRecord): void {
    if (this.#restoredEvents?.consume(record) === true)
      return this.#byChannel.get(record.channel)?.addAside(record.position);
    const lane = this.#isOrdered ? this.#byChannel.get(record.channel) : undefined;
    if (lane === undefined) {
      this.#schedule.enqueue(this.#addLane(record.channel, record.position, record, !this.#isOrdered));
      return;
    }
    // What is already waiting in the log, or behind an event that fails, is read from there when its turn comes.
    if (lane.backlogAfter !== NO_POSITION) lane.backlogCount++;
    else if (lane.phase === 'waiting' || lane.phase === 'reading') {
      lane.backlogAfter = record.position - 1;
      lane.backlogCount = 1;
    } else lane.enqueue(record, this.#buffered);
  }

  #addLane(channel: string, position: Position, record: StoredRecord | undefined, isAside: boolean): Lane {
    const lane = new Lane(channel, position, record, isAside);
    this.#lanes.add(lane);
    if (!isAside) this.#byChannel.set(channel, lane);
    if (record !== undefined) this.#buffered.add(record);
    return lane;
  }

  #restoreLane(event: OpenEvent, isAside: boolean): void {
    const lane = this.#addLane(event.channel, event.position, undefined, isAside);
    lane.attempts = event.attempts;
    lane.lease = event.lease;
    const { heldAfter = NO_POSITION } = event;
    // What is held is what the cursor has passed; where it begins before the head, that is a gap.
    const isGap = heldAfter !== NO_POSITION && heldAfter < event.position;
    const after = isGap ? event.position : heldAfter;
    lane.backlogAfter = after < this.#position ? after : NO_POSITION;
    if (lane.backlogAfter !== NO_POSITION) this.#uncounted.addLane(lane);
    // Where order plays no part, whatever comes now is handed out by itself.
    if (!this.#isOrdered) lane.backlogThrough = this.#position;
    if (isGap) lane.gapAfter = heldAfter;
    if (isGap && event.lease === undefined) lane.rereadAfter(heldAfter);
    markStored(lane, event);
    if (event.lease === undefined) return this.#schedule.waitUntil(lane, event.dueMs);
    lane.phase = 'in_flight';
    this.#inFlight++;
    this.#schedule.setLeaseEnd(lane, event.dueMs);
  }

  #removeFromChannel(lane: Lane): void {
    if (this.#byChannel.get(lane.channel) === lane) this.#byChannel.delete(lane.channel);
  }

  /** False when it is not handed out: it has been dealt with. */
  #endDelivery(lane: Lane): boolean {
    if (lane.phase !== 'in_flight') return false;
    this.#inFlight--;
    this.#schedule.clearLeaseEnd(lane);
    return true;
  }

  /** The head is done: on to what is behind it. */
  #advanceLane(lane: Lane): void {
    lane.advance();
    if (lane.phase === 'done') this.#removeLane(lane);
    else this.#schedule.enqueue(lane);
  }

  #removeLane(lane: Lane): void {
    this.#lanes.delete(lane);
    if (!lane.isAside) this.#removeFromChannel(lane);
    if (lane === this.#gap) this.#gap = undefined;
    this.#checkpoint.onLaneDone(lane);
  }
}
