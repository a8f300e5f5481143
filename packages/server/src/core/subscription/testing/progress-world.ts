import type { Position, StoredRecord } from '../../ports.ts';
import type { OpenEvent, Ordering } from '../definition.ts';
import type { Lane } from '../lane.ts';
import type { StoreChange } from '../ports.ts';
import { Progress } from '../progress.ts';

/** Something happened that must not: the words say what. */
export class Violation extends Error {}

/** A record of the world: an event, or what stands for events that are lost. */
interface Thing extends StoredRecord {
  readonly gap?: Told;
}

/** Some of the events between two places are lost, of one channel or of any. */
interface Told {
  readonly from: Position;
  readonly through: Position;
  readonly channel: string | undefined;
}

interface Noted {
  readonly changes: readonly StoreChange[];
  readonly cursor: Position;
  readonly held: number;
  /** A dead letter that is written down with it. */
  readonly dead: Thing | undefined;
  readonly ordering: Ordering;
}

interface Reading {
  readonly lane: Lane;
  readonly after: Position;
  readonly through: Position;
  readonly countMax: number;
}

/** What is on the disk. */
interface Disk {
  ordering: Ordering;
  cursor: Position;
  held: number;
  readonly open: Map<Position, OpenEvent>;
}

const BODY = new Uint8Array(10);
const LEASE = 'lease';

/**
 * A log, a disk and an endpoint around one progress, which may crash at any time. It holds itself to what is promised: whatever the disk
 * has is enough to skip nothing, and nothing is begun in a channel while something before it is not done.
 */
export class ProgressWorld {
  #ordering: Ordering;
  readonly #keepsOpen: boolean;
  readonly #log: Thing[] = [];
  readonly #lost = new Map<Position, string>();
  /** Done at least once, or told to be lost, or dead. */
  readonly #settled = new Set<Position>();
  readonly #dead = new Map<Position, string>();
  readonly #told: Told[] = [];
  /** Settled, and no promise is broken when they are begun again: the disk does not know it. */
  readonly #mayRepeat = new Set<Position>();
  /** Open when order did not play a part: nothing waits for them. */
  readonly #beside = new Set<Position>();
  /** Dead letters that are tried again, beside all order. */
  readonly #owed = new Set<Position>();
  readonly #disk: Disk;
  #noted: Noted[] = [];
  #progress: Progress;
  #flights: Lane[] = [];
  #readings: Reading[] = [];
  #gapTold = 0;
  #nowMs = 0;
  #head = 0;
  #lastCursor = 0;
  /** Nothing has been lost yet, and it has not crashed: how much is open is known to the event. */
  #isExact = true;
  /** How often something was handed out. */
  begun = 0;

  constructor(ordering: Ordering, keepsOpen: boolean) {
    this.#ordering = ordering;
    this.#keepsOpen = keepsOpen;
    this.#disk = { ordering, cursor: 0, held: 0, open: new Map() };
    this.#progress = new Progress(ordering, 0, keepsOpen);
  }

  get isIdle(): boolean {
    return this.#progress.size === 0 && this.#progress.position === this.#head;
  }

  publish(channel: string, hole: number): void {
    this.#head += 1 + hole;
    this.#log.push({ position: this.#head, channel, type: undefined, timeMs: 1, body: BODY });
  }

  /** Retention removes the oldest events of a channel. */
  trim(channel: string, count: number): void {
    const [...oldest] = this.#log.filter((event) => event.channel === channel).slice(0, count);
    for (const event of oldest) {
      this.#log.splice(this.#log.indexOf(event), 1);
      this.#lost.set(event.position, channel);
      this.#isExact = false;
    }
  }

  fill(countMax: number): void {
    const progress = this.#progress;
    const after = progress.position;
    if (progress.isHeldUp || after >= this.#head) return;
    const lostThrough = Math.max(0, ...[...this.#lost.keys()].filter((position) => position > after));
    if (lostThrough > this.#gapTold) {
      this.#gapTold = lostThrough;
      progress.takeGap(this.#gap(after, lostThrough, undefined));
      return;
    }
    const ahead = this.#log.filter(({ position }) => position > after);
    const page = ahead.slice(0, countMax);
    progress.take(page, page.length < ahead.length ? (page.at(-1) as Thing).position : this.#head);
  }

  /** Hands out what comes next, on a lease or not. */
  begin(countMax: number, leaseMs: number): void {
    const lane = this.#progress.next(countMax);
    if (lane === undefined) return;
    this.begun++;
    const things = this.#handedOut(lane);
    for (const [index, { position, channel, gap }] of things.entries()) {
      if (
        gap === undefined &&
        this.#settled.has(position) &&
        !this.#owed.has(position) &&
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
          !this.#beside.has(earlier.position)
        )
          this.#mustBeSettled(earlier, `${position} is begun before`);
    }
    this.#flights.push(lane);
    if (leaseMs > 0) this.#progress.lease(lane, LEASE, this.#nowMs + leaseMs);
  }

  /** Something comes back. */
  land(which: number, how: 'done' | 'retry' | 'dead' | 'putBack', delayMs: number): void {
    const [lane] = this.#flights.splice(which % (this.#flights.length || 1), 1);
    if (lane === undefined) return;
    if (how === 'retry') this.#progress.retry(lane, this.#nowMs + delayMs);
    else if (how === 'putBack') this.#progress.putBack(lane, this.#nowMs + delayMs);
    else {
      const [head, ...behind] = this.#handedOut(lane);
      const isDead = how === 'dead' && behind.length === 0 && head.gap === undefined;
      for (const thing of [head, ...behind]) this.#settle(thing);
      this.#progress.done(lane);
      if (isDead) this.note(head);
    }
  }

  /** A dead letter is tried again; what says so reaches the disk together with what is open then. */
  retryDead(): void {
    const [first] = this.#dead;
    if (first === undefined || !this.#keepsOpen) return;
    const [position, channel] = first;
    if (!this.#progress.takeAside(channel, position)) return;
    this.#dead.delete(position);
    this.#owed.add(position);
    this.note();
    this.commit(Infinity);
  }

  /** Time passes; leases end. */
  pass(durationMs: number): void {
    this.#nowMs += durationMs;
    this.#progress.advance(this.#nowMs, (lane) => {
      this.#flights = this.#flights.filter((flight) => flight !== lane);
      this.#progress.retry(lane, this.#nowMs);
    });
  }

  hurry(): void {
    this.#progress.hurry(this.#nowMs);
  }

  probe(): void {
    this.#progress.probe();
  }

  relieve(): void {
    this.#progress.relieve();
  }

  askForPages(): void {
    for (let lane = this.#progress.nextToRead(); lane !== undefined; lane = this.#progress.nextToRead())
      this.#readings.push({ lane, ...this.#progress.pageOf(lane) });
  }

  /** A page comes, or does not. */
  arrive(which: number, isRead: boolean): void {
    const [reading] = this.#readings.splice(which % (this.#readings.length || 1), 1);
    if (reading === undefined) return;
    const { lane, after, through, countMax } = reading;
    if (!isRead) return this.#progress.unread(lane, this.#nowMs + 1);
    const isHead = !lane.isHeadDone;
    const ahead = this.#log.filter(
      ({ channel, position }) => channel === lane.channel && position > after && position <= through,
    );
    const page = ahead.slice(0, countMax);
    const reached = page.length < ahead.length ? (page.at(-1) as Thing).position : Math.max(after, through);
    const lostThrough = this.#lostThrough(lane.channel, after, reached);
    const gap = !isHead && lostThrough > after ? this.#gap(after, lostThrough, lane.channel) : undefined;
    if (!this.#progress.arrived(lane, page, reached, gap))
      this.#progress.substitute(lane, this.#gap(after, lane.position, lane.channel));
  }

  note(dead?: Thing): void {
    const changes: StoreChange[] = [];
    const cursor = this.#progress.note('s', changes);
    if (cursor < this.#lastCursor) throw new Violation(`the cursor goes back from ${this.#lastCursor} to ${cursor}`);
    this.#lastCursor = cursor;
    this.#noted.push({ changes, cursor, held: this.#progress.held(), dead, ordering: this.#ordering });
  }

  /** So many notes reach the disk. */
  commit(count: number): void {
    for (const { changes, cursor, held, dead, ordering } of this.#noted.splice(0, count)) {
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

  /** Nothing is left but what is on the disk. */
  crash(): void {
    this.#noted = [];
    this.#gapTold = 0;
    const { ordering, cursor, held, open } = this.#disk;
    this.#ordering = ordering;
    this.#progress = new Progress(ordering, cursor, this.#keepsOpen);
    this.#progress.restore([...open.values()], held);
    this.#lastCursor = cursor;
    this.#beganAnew([...open.values()], ordering);
  }

  /** Somebody wants another order: that is written down together with what is open. */
  reorder(): void {
    if (!this.#keepsOpen) return;
    this.note();
    this.note();
    const was = this.#ordering;
    this.#ordering = was === 'none' ? 'per-channel' : 'none';
    const before = this.#progress;
    const rows = before.noted();
    this.#gapTold = Math.min(this.#gapTold, before.cursor);
    this.#progress = before.reordered(this.#ordering);
    this.#noted.push({ ...(this.#noted.at(-1) as Noted), changes: [], dead: undefined, ordering: this.#ordering });
    this.commit(Infinity);
    this.#beganAnew(rows, was);
  }

  #beganAnew(rows: readonly OpenEvent[], was: Ordering): void {
    const { cursor } = this.#progress;
    this.#flights = [];
    this.#readings = [];
    this.#isExact = false;
    for (const lane of this.#progress.lanes()) {
      if (lane.phase === 'flying') this.#flights.push(lane);
      if (lane.isAside) this.#beside.add(lane.position);
    }
    const channels = new Map(this.#log.map(({ position, channel }) => [position, channel]));
    const isHeld = (position: Position): boolean =>
      rows.some((row) => row.channel === channels.get(position) && (row.heldAfter ?? Infinity) < position);
    // What came by itself, while a lane of another order had others behind it, is not told apart from those.
    if (was === 'none') for (const { position } of this.#log) if (isHeld(position)) this.#mayRepeat.add(position);
    const isRow = (position: Position): boolean => rows.some((row) => row.position === position);
    for (const position of this.#settled)
      if (position > cursor || isRow(position) || isHeld(position)) this.#mayRepeat.add(position);
  }

  /** Everything goes well until nothing is left to do. */
  finish(): void {
    for (let rounds = 0; !this.isIdle; rounds++) {
      if (rounds > 10_000) throw new Violation('it comes to no end');
      this.pass(1_000_000);
      this.fill(1000);
      this.askForPages();
      while (this.#readings.length > 0) this.arrive(0, true);
      this.begin(1, 0);
      while (this.#flights.length > 0) this.land(0, 'done', 0);
    }
    this.note();
    this.note();
    this.commit(Infinity);
    for (const event of this.#log) this.#mustBeSettled(event, 'at the end');
    for (const [position, channel] of this.#lost)
      if (!this.#told.some((gap) => covers(gap, position, channel)))
        this.#mustBeSettled({ position, channel }, 'at the end, lost,');
    if (this.#owed.size > 0) throw new Violation('a dead letter that was to be tried again is lost');
    if (this.#disk.open.size > 0) throw new Violation('something stays open for ever');
    if (this.#disk.cursor !== this.#head) throw new Violation('the cursor stays behind');
    if (this.#progress.heldCount !== 0 || this.#progress.heldBytes !== 0)
      throw new Violation(`${this.#progress.heldCount} events stay in memory`);
    if (this.#progress.flying !== 0 || this.#progress.waiting !== 0) throw new Violation('it has lost count');
  }

  /** As much is open as is taken up and not done. */
  checkCounts(): void {
    const { underWay, failing, waiting } = this.#progress.open();
    const counted = underWay + failing + waiting;
    const { position } = this.#progress;
    const isOpen = (at: Position): boolean => at <= position && (!this.#settled.has(at) || this.#owed.has(at));
    const open = this.#log.filter((event) => isOpen(event.position)).length;
    if (this.#isExact && counted !== open) throw new Violation(`${open} are open, and ${counted} are counted`);
    if (open > 0 && counted === 0) throw new Violation(`${open} are open, and none are counted`);
    if (this.#progress.size === 0 && counted > 0) throw new Violation(`${counted} are counted, and nothing is open`);
  }

  /** Whoever began anew now would skip nothing. */
  #check(): void {
    const { cursor, open } = this.#disk;
    const rows = [...open.values()];
    const isHeld = (channel: string, position: Position): boolean =>
      rows.some((row) => row.channel === channel && row.heldAfter !== undefined && row.heldAfter < position);
    for (const { position, channel } of this.#log) {
      const isOwed = this.#owed.has(position);
      if (isOwed && !open.has(position)) throw new Violation(`${position}, a dead letter, is not kept by itself`);
      const isSettled = this.#settled.has(position) && !isOwed;
      if (position > cursor || isSettled || open.has(position)) continue;
      if (!isHeld(channel, position)) throw new Violation(`${position} in ${channel} would be skipped`);
    }
  }

  /** Of what was leased before a crash only the place is known. */
  #handedOut(lane: Lane): [Thing, ...Thing[]] {
    const { position, channel } = lane;
    if (lane.record === undefined && lane.gapFrom >= 0) return [this.#gap(lane.gapFrom, position, channel)];
    if (lane.record === undefined) return [{ position, channel, type: undefined, timeMs: 1, body: BODY }];
    const things: Thing[] = [];
    this.#progress.handedOut(lane, things);
    return things as [Thing, ...Thing[]];
  }

  #settle({ position, gap }: Thing): void {
    this.#owed.delete(position);
    if (gap === undefined) this.#settled.add(position);
    else this.#told.push(gap);
  }

  #mustBeSettled({ position, channel }: { readonly position: Position; readonly channel: string }, when: string): void {
    if (!this.#settled.has(position)) throw new Violation(`${when} ${position} in ${channel}, which is not done`);
  }

  #lostThrough(channel: string, after: Position, reached: Position): Position {
    let through = 0;
    for (const [position, lost] of this.#lost)
      if (lost === channel && position > after && position <= Math.max(reached, after))
        through = Math.max(through, position);
    return through;
  }

  #gap(from: Position, through: Position, channel: string | undefined): Thing {
    const gap = { from, through, channel };
    return { position: through, channel: channel ?? 'gap', type: 'gap', timeMs: 1, body: BODY, gap };
  }
}

function covers({ from, through, channel }: Told, position: Position, lost: string): boolean {
  return position > from && position <= through && (channel === undefined || channel === lost);
}
