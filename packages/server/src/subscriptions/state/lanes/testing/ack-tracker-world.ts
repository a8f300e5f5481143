import type { Position, StoredRecord } from '../../../../core/ports.ts';
import type { OpenEvent, Ordering } from '../../definition.ts';
import type { Lane } from '../lane.ts';
import type { StoreChange } from '../../subscription-store.ts';
import { AckTracker } from '../ack-tracker.ts';

/** The model found a broken rule; the message names it. */
export class Violation extends Error {}

/** A record of the world: an event, or a gap. */
interface WorldRecord extends StoredRecord {
  readonly gap?: LostRange;
}

/** Lost events between two positions, of one channel or of all. */
interface LostRange {
  readonly from: Position;
  readonly through: Position;
  readonly channel: string | undefined;
}

interface CheckpointSnapshot {
  readonly changes: readonly StoreChange[];
  readonly cursor: Position;
  readonly held: number;
  /** A dead letter that is stored with this checkpoint. */
  readonly dead: WorldRecord | undefined;
  readonly ordering: Ordering;
}

interface PendingRead {
  readonly lane: Lane;
  readonly after: Position;
  readonly through: Position;
  readonly countMax: number;
}

/** The state of the simulated disk. */
interface StoredState {
  ordering: Ordering;
  cursor: Position;
  held: number;
  readonly open: Map<Position, OpenEvent>;
}

const BODY = new Uint8Array(10);
const LEASE = 'lease';

/**
 * A simulated log, disk and endpoint around one tracker, which may crash at any time. The world
 * checks two rules. The state on the disk is enough to skip no event. No event of a channel starts
 * while an earlier one is not done.
 */
export class AckTrackerWorld {
  #ordering: Ordering;
  readonly #storesOpenLanes: boolean;
  readonly #log: WorldRecord[] = [];
  readonly #lost = new Map<Position, string>();
  /** Done at least once, covered by a gap, or dead. */
  readonly #settled = new Set<Position>();
  readonly #dead = new Map<Position, string>();
  readonly #reportedRanges: LostRange[] = [];
  /** Settled, but the disk does not know it: these may be delivered again. */
  readonly #mayRepeat = new Set<Position>();
  /** Opened without an order: no event waits for them. */
  readonly #unordered = new Set<Position>();
  /** Retried dead letters, outside any order. */
  readonly #redelivered = new Set<Position>();
  readonly #disk: StoredState;
  #checkpoints: CheckpointSnapshot[] = [];
  #tracker: AckTracker;
  #inFlightLanes: Lane[] = [];
  #pendingReads: PendingRead[] = [];
  #gapReportedThrough = 0;
  #nowMs = 0;
  #head = 0;
  #lastCursor = 0;
  /** True before the first loss and the first crash: the number of open events is then exact. */
  #isExact = true;
  /** Number of deliveries that were started. */
  startedCount = 0;

  constructor(ordering: Ordering, storesOpenLanes: boolean) {
    this.#ordering = ordering;
    this.#storesOpenLanes = storesOpenLanes;
    this.#disk = { ordering, cursor: 0, held: 0, open: new Map() };
    this.#tracker = new AckTracker(ordering, 0, storesOpenLanes);
  }

  get isIdle(): boolean {
    return this.#tracker.lanes.size === 0 && this.#tracker.position === this.#head;
  }

  publish(channel: string, hole: number): void {
    this.#head += 1 + hole;
    this.#log.push({ position: this.#head, channel, type: undefined, timeMs: 1, body: BODY });
  }

  /** Retention deletes the oldest events of a channel. */
  trim(channel: string, count: number): void {
    const [...oldest] = this.#log.filter((event) => event.channel === channel).slice(0, count);
    for (const event of oldest) {
      this.#log.splice(this.#log.indexOf(event), 1);
      this.#lost.set(event.position, channel);
      this.#isExact = false;
    }
  }

  fill(countMax: number): void {
    const tracker = this.#tracker;
    const after = tracker.position;
    if (tracker.isBlockedByGap || after >= this.#head) return;
    const lostThrough = Math.max(0, ...[...this.#lost.keys()].filter((position) => position > after));
    if (lostThrough > this.#gapReportedThrough) {
      this.#gapReportedThrough = lostThrough;
      tracker.enqueueGap(this.#gap(after, lostThrough, undefined));
      return;
    }
    const ahead = this.#log.filter(({ position }) => position > after);
    const page = ahead.slice(0, countMax);
    tracker.enqueue(page, page.length < ahead.length ? (page.at(-1) as WorldRecord).position : this.#head);
  }

  /** Hands out the next lane, with or without a lease. */
  start(countMax: number, leaseMs: number): void {
    const lane = this.#tracker.next(countMax);
    if (lane === undefined) return;
    this.startedCount++;
    const things = this.#handedOut(lane);
    for (const [index, { position, channel, gap }] of things.entries()) {
      if (
        gap === undefined &&
        this.#settled.has(position) &&
        !this.#redelivered.has(position) &&
        !this.#mayRepeat.has(position)
      )
        throw new Violation(`${position} in ${channel} is done, and is begun again`);
      if (gap !== undefined || lane.isAside || this.#ordering === 'none') continue;
      const together = new Set(things.slice(0, index).map((thing) => thing.position));
      for (const earlier of this.#log)
        if (
          earlier.channel === channel &&
          earlier.position < position &&
          !together.has(earlier.position) &&
          !this.#unordered.has(earlier.position)
        )
          this.#assertSettled(earlier, `${position} is begun before`);
    }
    this.#inFlightLanes.push(lane);
    if (leaseMs > 0) this.#tracker.lease(lane, LEASE, this.#nowMs + leaseMs);
  }

  /** A delivery ends. */
  endDelivery(which: number, how: 'done' | 'retry' | 'dead' | 'putBack', delayMs: number): void {
    const [lane] = this.#inFlightLanes.splice(which % (this.#inFlightLanes.length || 1), 1);
    if (lane === undefined) return;
    if (how === 'retry') this.#tracker.retry(lane, this.#nowMs + delayMs);
    else if (how === 'putBack') this.#tracker.retryUncounted(lane, this.#nowMs + delayMs);
    else {
      const [head, ...behind] = this.#handedOut(lane);
      const isDead = how === 'dead' && behind.length === 0 && head.gap === undefined;
      for (const thing of [head, ...behind]) this.#settle(thing);
      this.#tracker.complete(lane);
      if (isDead) this.checkpoint(head);
    }
  }

  /** Retries a dead letter. The disk gets the change together with the events open then. */
  retryDead(): void {
    const [first] = this.#dead;
    if (first === undefined || !this.#storesOpenLanes) return;
    const [position, channel] = first;
    if (!this.#tracker.enqueueAside(channel, position)) return;
    this.#dead.delete(position);
    this.#redelivered.add(position);
    this.checkpoint();
    this.commit(Infinity);
  }

  /** Time passes, and leases end. */
  advanceTime(durationMs: number): void {
    this.#nowMs += durationMs;
    this.#tracker.advance(this.#nowMs, (lane) => {
      this.#inFlightLanes = this.#inFlightLanes.filter((flight) => flight !== lane);
      this.#tracker.retry(lane, this.#nowMs);
    });
  }

  retryNow(): void {
    this.#tracker.retryNow(this.#nowMs);
  }

  takeProbe(): void {
    this.#tracker.takeProbe();
  }

  freeMemory(): void {
    this.#tracker.freeMemory();
  }

  askForPages(): void {
    for (let lane = this.#tracker.nextToRead(); lane !== undefined; lane = this.#tracker.nextToRead())
      this.#pendingReads.push({ lane, ...this.#tracker.pageOf(lane) });
  }

  /** A read of a page succeeds or fails. */
  completeRead(which: number, isRead: boolean): void {
    const [reading] = this.#pendingReads.splice(which % (this.#pendingReads.length || 1), 1);
    if (reading === undefined) return;
    const { lane, after, through, countMax } = reading;
    if (!isRead) return this.#tracker.onReadFailed(lane, this.#nowMs + 1);
    const isHead = !lane.isHeadDone;
    const ahead = this.#log.filter(
      ({ channel, position }) => channel === lane.channel && position > after && position <= through,
    );
    const page = ahead.slice(0, countMax);
    const reached = page.length < ahead.length ? (page.at(-1) as WorldRecord).position : Math.max(after, through);
    const lostThrough = this.#lostThrough(lane.channel, after, reached);
    const gap = !isHead && lostThrough > after ? this.#gap(after, lostThrough, lane.channel) : undefined;
    if (!this.#tracker.onPageRead(lane, page, reached, gap))
      this.#tracker.replaceHead(lane, this.#gap(after, lane.position, lane.channel));
  }

  checkpoint(dead?: WorldRecord): void {
    const changes: StoreChange[] = [];
    const cursor = this.#tracker.checkpoint('s', changes);
    if (cursor < this.#lastCursor) throw new Violation(`the cursor goes back from ${this.#lastCursor} to ${cursor}`);
    this.#lastCursor = cursor;
    this.#checkpoints.push({
      changes,
      cursor,
      held: this.#tracker.countBehindStored(),
      dead,
      ordering: this.#ordering,
    });
  }

  /** The disk gets the next `count` checkpoints. */
  commit(count: number): void {
    for (const { changes, cursor, held, dead, ordering } of this.#checkpoints.splice(0, count)) {
      if (dead !== undefined) this.#dead.set(dead.position, dead.channel);
      for (const change of changes) {
        if (change.kind === 'open') this.#disk.open.set(change.event.position, change.event);
        else if (change.kind === 'closed') this.#disk.open.delete(change.position);
      }
      this.#disk.cursor = cursor;
      this.#disk.held = held;
      this.#disk.ordering = ordering;
    }
    this.#check();
  }

  /** The tracker is lost; a new one starts from the disk. */
  crash(): void {
    this.#checkpoints = [];
    this.#gapReportedThrough = 0;
    const { ordering, cursor, held, open } = this.#disk;
    this.#ordering = ordering;
    this.#tracker = new AckTracker(ordering, cursor, this.#storesOpenLanes);
    this.#tracker.restore([...open.values()], held);
    this.#lastCursor = cursor;
    this.#restored([...open.values()], ordering);
  }

  /** The order changes. The change is stored together with the open events. */
  reorder(): void {
    if (!this.#storesOpenLanes) return;
    this.checkpoint();
    this.checkpoint();
    const was = this.#ordering;
    this.#ordering = was === 'none' ? 'per-channel' : 'none';
    const before = this.#tracker;
    const rows = before.storedEvents();
    this.#gapReportedThrough = Math.min(this.#gapReportedThrough, before.cursor);
    this.#tracker = before.withOrdering(this.#ordering);
    this.#checkpoints.push({
      ...(this.#checkpoints.at(-1) as CheckpointSnapshot),
      changes: [],
      dead: undefined,
      ordering: this.#ordering,
    });
    this.commit(Infinity);
    this.#restored(rows, was);
  }

  #restored(rows: readonly OpenEvent[], was: Ordering): void {
    const { cursor } = this.#tracker;
    this.#inFlightLanes = [];
    this.#pendingReads = [];
    this.#isExact = false;
    for (const lane of this.#tracker.lanes.all()) {
      if (lane.phase === 'in_flight') this.#inFlightLanes.push(lane);
      if (lane.isAside) this.#unordered.add(lane.position);
    }
    const channels = new Map(this.#log.map(({ position, channel }) => [position, channel]));
    const isHeld = (position: Position): boolean =>
      rows.some((row) => row.channel === channels.get(position) && (row.heldAfter ?? Infinity) < position);
    // An aside event of the earlier order cannot be distinguished from the events behind a lane.
    if (was === 'none') for (const { position } of this.#log) if (isHeld(position)) this.#mayRepeat.add(position);
    const isRow = (position: Position): boolean => rows.some((row) => row.position === position);
    for (const position of this.#settled)
      if (position > cursor || isRow(position) || isHeld(position)) this.#mayRepeat.add(position);
  }

  /** Every delivery succeeds until no event is open. */
  finish(): void {
    for (let rounds = 0; !this.isIdle; rounds++) {
      if (rounds > 10_000) throw new Violation('it comes to no end');
      this.advanceTime(1_000_000);
      this.fill(1000);
      this.askForPages();
      while (this.#pendingReads.length > 0) this.completeRead(0, true);
      this.start(1, 0);
      while (this.#inFlightLanes.length > 0) this.endDelivery(0, 'done', 0);
    }
    this.checkpoint();
    this.checkpoint();
    this.commit(Infinity);
    for (const event of this.#log) this.#assertSettled(event, 'at the end');
    for (const [position, channel] of this.#lost)
      if (!this.#reportedRanges.some((gap) => covers(gap, position, channel)))
        this.#assertSettled({ position, channel }, 'at the end, lost,');
    if (this.#redelivered.size > 0) throw new Violation('a dead letter that was to be tried again is lost');
    if (this.#disk.open.size > 0) throw new Violation('something stays open for ever');
    if (this.#disk.cursor !== this.#head) throw new Violation('the cursor stays behind');
    if (this.#tracker.bufferedCount !== 0 || this.#tracker.bufferedBytes !== 0)
      throw new Violation(`${this.#tracker.bufferedCount} events stay in memory`);
    if (this.#tracker.inFlight !== 0 || this.#tracker.awaitingRetry !== 0) throw new Violation('it has lost count');
  }

  /** The tracker's counts equal the number of events taken up and not done. */
  checkCounts(): void {
    this.#tracker.assertInvariants();
    const { inFlight, failing, waiting } = this.#tracker.countOpen();
    const counted = inFlight + failing + waiting;
    const { position } = this.#tracker;
    const isOpen = (at: Position): boolean => at <= position && (!this.#settled.has(at) || this.#redelivered.has(at));
    const open = this.#log.filter((event) => isOpen(event.position)).length;
    if (this.#isExact && counted !== open) throw new Violation(`${open} are open, and ${counted} are counted`);
    if (open > 0 && counted === 0) throw new Violation(`${open} are open, and none are counted`);
    if (this.#tracker.lanes.size === 0 && counted > 0)
      throw new Violation(`${counted} are counted, and nothing is open`);
  }

  /** A tracker that starts from the disk now would skip no event. */
  #check(): void {
    const { cursor, open } = this.#disk;
    const rows = [...open.values()];
    const isHeld = (channel: string, position: Position): boolean =>
      rows.some((row) => row.channel === channel && row.heldAfter !== undefined && row.heldAfter < position);
    for (const { position, channel } of this.#log) {
      const isOwed = this.#redelivered.has(position);
      if (isOwed && !open.has(position)) throw new Violation(`${position}, a dead letter, is not kept by itself`);
      const isSettled = this.#settled.has(position) && !isOwed;
      if (position > cursor || isSettled || open.has(position)) continue;
      if (!isHeld(channel, position)) throw new Violation(`${position} in ${channel} would be skipped`);
    }
  }

  /** For a lane that was leased before a crash, only the position is known. */
  #handedOut(lane: Lane): [WorldRecord, ...WorldRecord[]] {
    const { position, channel } = lane;
    if (lane.record === undefined && lane.gapAfter >= 0) return [this.#gap(lane.gapAfter, position, channel)];
    if (lane.record === undefined) return [{ position, channel, type: undefined, timeMs: 1, body: BODY }];
    const things: WorldRecord[] = [];
    lane.collectHandedOut(things);
    return things as [WorldRecord, ...WorldRecord[]];
  }

  #settle({ position, gap }: WorldRecord): void {
    this.#redelivered.delete(position);
    if (gap === undefined) this.#settled.add(position);
    else this.#reportedRanges.push(gap);
  }

  #assertSettled({ position, channel }: { readonly position: Position; readonly channel: string }, when: string): void {
    if (!this.#settled.has(position)) throw new Violation(`${when} ${position} in ${channel}, which is not done`);
  }

  #lostThrough(channel: string, after: Position, reached: Position): Position {
    let through = 0;
    for (const [position, lost] of this.#lost)
      if (lost === channel && position > after && position <= Math.max(reached, after))
        through = Math.max(through, position);
    return through;
  }

  #gap(from: Position, through: Position, channel: string | undefined): WorldRecord {
    const gap = { from, through, channel };
    return { position: through, channel: channel ?? 'gap', type: 'gap', timeMs: 1, body: BODY, gap };
  }
}

function covers({ from, through, channel }: LostRange, position: Position, lost: string): boolean {
  return position > from && position <= through && (channel === undefined || channel === lost);
}
