import type { Position, StoredRecord } from '../ports.ts';
import type { OpenEvent, Ordering } from './definition.ts';
import { Ahead } from './ahead.ts';
import { HeldEvents } from './held-events.ts';
import { Lane, NOTHING, type LanePage } from './lane.ts';
import { heldBehind, openCounts, Uncounted, type OpenCounts } from './lane-counts.ts';
import { LaneSchedule } from './lane-schedule.ts';
import { markStored, storedEvent } from './lane-store.ts';
import { Ledger } from './ledger.ts';
import type { StoreChange } from './ports.ts';
import type { Queue } from '../queue.ts';

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
export class Progress {
  readonly #ordering: Ordering;
  readonly #ledger: Ledger;
  readonly #lanes = new Set<Lane>();
  readonly #byChannel = new Map<string, Lane>();
  readonly #schedule = new LaneSchedule();
  readonly #held = new HeldEvents();
  readonly #uncounted = new Uncounted();
  /** A gap that has to be told before anything after it is taken up. */
  #gap: Lane | undefined;
  #position: Position;
  #flying = 0;
  /** What was open beyond the cursor when it was noted, and so will be read again. */
  #ahead: Ahead | undefined;

  /**
   * @param position everything up to here is done, or comes by `restore`
   * @param keepsOpen false: nothing but the cursor is kept, which then stays behind whatever is not done
   */
  constructor(ordering: Ordering, position: Position, keepsOpen = true) {
    this.#ordering = ordering;
    this.#position = position;
    this.#ledger = new Ledger(position, keepsOpen);
  }

  /** Everything that is meant up to here has been taken up. */
  get position(): Position {
    return this.#position;
  }

  /** Lanes that are handed out. */
  get flying(): number {
    return this.#flying;
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
    return this.#ledger.cursor;
  }

  get heldCount(): number {
    return this.#held.count;
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Whether it knows of nothing that is not done, and has nothing left to note. */
  get isIdle(): boolean {
    return this.#lanes.size === 0 && this.#ledger.isUpToDate;
  }

  /** Whether a gap holds up what comes after it. */
  get isHeldUp(): boolean {
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
      if (event.position > this.#position) (this.#ahead ??= new Ahead()).add(event);
      const before = this.#byChannel.get(event.channel);
      // Of two in one channel the later one has followers: stores of before do not say which one is a dead letter that is tried again.
      const isAside = event.isAside === true || (before !== undefined && before.backlogAfter !== NOTHING);
      if (!isAside && before !== undefined) this.#setAside(before);
      this.#restored(event, isAside);
    }
    for (const { channel, position, isAside } of this.#lanes) {
      const lane = isAside ? this.#byChannel.get(channel) : undefined;
      if (lane !== undefined && lane.position < position) lane.leaveOut(position);
    }
    this.#uncounted.begin(held);
  }

  /** The same under another order: what is open goes on from what has just been noted of it. */
  reordered(ordering: Ordering): Progress {
    const next = new Progress(ordering, this.cursor);
    next.restore(this.noted(), this.held());
    return next;
  }

  /** Takes up what comes next in the log, all that is meant after `position`, up to and with `reached`. */
  take(records: readonly StoredRecord[], reached: Position): void {
    for (const record of records) this.#take(record);
    if (reached > this.#position) this.#position = reached;
  }

  /**
   * Takes up a gap that begins after `position`: until it is done nothing should be taken, so that the cursor stays before it, and
   * whoever starts anew comes upon it again.
   */
  takeGap(record: StoredRecord): void {
    const lane = this.#add(record.channel, this.#position + 1, record, true);
    this.#gap = lane;
    this.#schedule.place(lane);
  }

  /**
   * Takes up a single event beside all others, whatever the order: it is kept at once, and read when its turn comes. False where it cannot
   * be now: something else still stands at its place, or it is still to come.
   */
  takeAside(channel: string, position: Position): boolean {
    if (position > this.#position) return false;
    for (const other of this.#lanes) if (other.has(channel, position)) return false;
    const lane = this.#add(channel, position, undefined, true);
    lane.phase = 'reading';
    lane.isRetried = true;
    this.#schedule.place(lane);
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
  advance(nowMs: number, leaseOver?: (lane: Lane) => void): void {
    this.#schedule.advance(nowMs, leaseOver);
  }

  /** Everything that waits is due now, the oldest first. */
  hurry(nowMs: number): void {
    this.#schedule.hurry(nowMs);
  }

  /**
   * The next lane to be handed out, its head and up to `countMax` - 1 events behind it; `undefined` when there is none now. Whatever
   * failed before goes alone.
   */
  next(countMax = 1): Lane | undefined {
    const lane = this.#schedule.nextReady();
    if (lane === undefined) return undefined;
    lane.phase = 'flying';
    lane.begunNote = this.#ledger.nextNote;
    const behind = countMax > 1 && lane.attempts === 0 ? (lane.queue?.length ?? 0) : 0;
    lane.span = Math.min(countMax, 1 + behind);
    lane.attempts++;
    this.#flying++;
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
  open(): OpenCounts {
    return openCounts(this.#lanes, this.#uncounted);
  }

  /** Events that the cursor has passed, behind what is kept by itself: to be known again after a crash. */
  held(): number {
    return heldBehind(this.#lanes, this.#uncounted);
  }

  /** How many events may be handed out now, as far as `countMax`. */
  countReady(countMax: number): number {
    return this.#schedule.countReady(countMax);
  }

  /** The oldest of those that wait, ahead of its time: a probe. */
  probe(): Lane | undefined {
    return this.#schedule.probe();
  }

  /** The events that were handed out together. */
  handedOut(lane: Lane, into: StoredRecord[]): void {
    into.push(lane.record as StoredRecord);
    for (let index = 0; index < lane.span - 1; index++) into.push((lane.queue as Queue<StoredRecord>).at(index));
  }

  /** What was handed out is done with: delivered, or given up on. */
  done(lane: Lane): void {
    if (!this.#land(lane)) return;
    this.#held.remove(lane.record);
    for (; lane.span > 1; lane.span--) {
      const record = lane.queue?.shift() as StoredRecord;
      lane.position = record.position;
      this.#held.remove(record);
    }
    lane.gapFrom = NOTHING;
    this.#moveOn(lane);
  }

  /** Fewer are handed out with the head than `next` said. */
  narrow(lane: Lane, count: number): void {
    if (lane.phase === 'flying') lane.span = Math.max(1, Math.min(lane.span, count));
  }

  /** What was handed out was not taken: the head is tried again at a time, and what is behind it is let go of. */
  retry(lane: Lane, dueMs: number): void {
    if (!this.#land(lane)) return;
    // A gap stands in no log.
    if (lane !== this.#gap) {
      this.#held.remove(lane.record);
      lane.record = undefined;
    }
    lane.lease = undefined;
    lane.span = 1;
    lane.letGo(0, this.#held);
    if (lane.gapFrom !== NOTHING) lane.beginAgain(lane.gapFrom);
    this.#schedule.wait(lane, dueMs);
  }

  /** As `retry`, and the delivery does not count: it was never tried. */
  putBack(lane: Lane, dueMs: number): void {
    if (lane.phase === 'flying') lane.attempts--;
    this.retry(lane, dueMs);
  }

  /** A lease on what was handed out; it may be set anew. */
  lease(lane: Lane, name: string, endsMs: number): void {
    if (lane.phase !== 'flying') return;
    lane.lease = name;
    this.#schedule.setEnd(lane, endsMs);
  }

  /** Whoever has what was handed out has its payload: should it be tried again, it is read again. */
  forgetHead(lane: Lane): void {
    // A gap stands in no log.
    if (lane === this.#gap) return;
    this.#held.remove(lane.record);
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
  arrived(lane: Lane, records: readonly StoredRecord[], reached: Position, gap?: StoredRecord): boolean {
    if (lane.phase !== 'reading') return true;
    if (!lane.isHeadDone) {
      const [head] = records;
      if (head?.position !== lane.position) return false;
      this.substitute(lane, head);
      return true;
    }
    // The store has one row a place, and what is open by itself may have that of the last lost event: then the gap keeps the row of what is
    // done before it.
    const isTaken = gap !== undefined && lane.besides?.has(gap.position) === true;
    const { position } = lane;
    if (gap !== undefined) {
      lane.gapFrom = lane.backlogAfter;
      lane.putBehind(gap, this.#held);
    }
    lane.backlogAfter = reached >= Math.min(this.#position, lane.heldThrough) ? NOTHING : reached;
    const { besides } = lane;
    const behind = besides === undefined ? records : records.filter(({ position }) => !besides.has(position));
    this.#uncounted.found(lane, behind.length);
    for (const record of behind) lane.putBehind(record, this.#held);
    this.#moveOn(lane);
    if (isTaken) lane.position = position;
    return true;
  }

  /** What is handed out in place of a head that the log no longer has. */
  substitute(lane: Lane, record: StoredRecord): void {
    if (lane.phase !== 'reading') return;
    lane.record = record;
    lane.timeMs = record.timeMs;
    this.#held.add(record);
    lane.phase = 'ready';
    this.#schedule.place(lane);
  }

  /** The log could not be read: the lane asks again, at a time. */
  unread(lane: Lane, dueMs: number): void {
    if (lane.phase === 'reading') this.#schedule.wait(lane, dueMs);
  }

  /** Makes room: of channels that have much in memory, the later events are let go of, to be read again. True when it has. */
  relieve(): boolean {
    const before = this.#held.count;
    if (this.#isOrdered)
      for (const lane of this.#lanes) lane.letGo(Math.max(LANE_COUNT_KEPT, lane.span - 1), this.#held);
    return this.#held.count < before;
  }

  /**
   * Writes down what has changed since the last note, so that whoever starts from there repeats what must be and skips nothing. What was
   * taken up and done between two notes leaves no trace.
   * @returns the cursor that goes with it
   */
  note(subscription: string, changes: StoreChange[]): Position {
    return this.#ledger.note(this.#lanes, this.#gap, this.#position, subscription, changes);
  }

  /** What was open when it was last noted. */
  noted(): OpenEvent[] {
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

  #take(record: StoredRecord): void {
    if (this.#ahead?.holds(record) === true) return this.#byChannel.get(record.channel)?.leaveOut(record.position);
    const lane = this.#isOrdered ? this.#byChannel.get(record.channel) : undefined;
    if (lane === undefined) {
      this.#schedule.place(this.#add(record.channel, record.position, record, !this.#isOrdered));
      return;
    }
    // What is already waiting in the log, or behind an event that fails, is read from there when its turn comes.
    if (lane.backlogAfter !== NOTHING) lane.logged++;
    else if (lane.phase === 'waiting' || lane.phase === 'reading') {
      lane.backlogAfter = record.position - 1;
      lane.logged = 1;
    } else lane.putBehind(record, this.#held);
  }

  #add(channel: string, position: Position, record: StoredRecord | undefined, isAside: boolean): Lane {
    const lane = new Lane(channel, position, record, isAside);
    this.#lanes.add(lane);
    if (!isAside) this.#byChannel.set(channel, lane);
    if (record !== undefined) this.#held.add(record);
    return lane;
  }

  #restored(event: OpenEvent, isAside: boolean): void {
    const lane = this.#add(event.channel, event.position, undefined, isAside);
    lane.attempts = event.attempts;
    lane.lease = event.lease;
    const { heldAfter = NOTHING } = event;
    // What is held is what the cursor has passed; where it begins before the head, that is a gap.
    const isGap = heldAfter !== NOTHING && heldAfter < event.position;
    const after = isGap ? event.position : heldAfter;
    lane.backlogAfter = after < this.#position ? after : NOTHING;
    if (lane.backlogAfter !== NOTHING) this.#uncounted.add(lane);
    // Where order plays no part, whatever comes now is handed out by itself.
    if (!this.#isOrdered) lane.heldThrough = this.#position;
    if (isGap) lane.gapFrom = heldAfter;
    if (isGap && event.lease === undefined) lane.beginAgain(heldAfter);
    markStored(lane, event);
    if (event.lease === undefined) return this.#schedule.wait(lane, event.dueMs);
    lane.phase = 'flying';
    this.#flying++;
    this.#schedule.setEnd(lane, event.dueMs);
  }

  #setAside(lane: Lane): void {
    if (this.#byChannel.get(lane.channel) === lane) this.#byChannel.delete(lane.channel);
  }

  /** False when it is not handed out: it has been dealt with. */
  #land(lane: Lane): boolean {
    if (lane.phase !== 'flying') return false;
    this.#flying--;
    this.#schedule.removeEnd(lane);
    return true;
  }

  /** The head is done: on to what is behind it. */
  #moveOn(lane: Lane): void {
    lane.moveOn();
    if (lane.phase === 'over') this.#over(lane);
    else this.#schedule.place(lane);
  }

  #over(lane: Lane): void {
    this.#lanes.delete(lane);
    if (!lane.isAside) this.#setAside(lane);
    if (lane === this.#gap) this.#gap = undefined;
    this.#ledger.close(lane);
  }
}
