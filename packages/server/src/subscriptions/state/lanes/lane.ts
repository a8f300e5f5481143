import type { Gap } from '@polycast/protocol';
import type { Position, StoredRecord } from '../../../core/ports.ts';
import type { DueItem } from '../due-heap.ts';
import type { BufferedEvents } from './buffered-events.ts';
import { Queue } from '../../../core/primitives/queue.ts';
import { assertInvariant, assertRising } from '../../../core/primitives/invariant.ts';

/**
 * A lane is a queue of events that are delivered one after the other. In per-channel order it has
 * the open events of one channel; else it has a single event. Its first event is the head.
 *
 * Example: events 3 and 7 of `orders.42` share a lane. 7 is sent after 3 has been acknowledged.
 *
 * The head is handed out first. `AckTracker` advances the lane. The events behind the head are in
 * memory (`queue`), and after those in the log alone (the *backlog*: `backlogAfter`,
 * `backlogThrough`).
 */
export class Lane implements DueItem {
  readonly channel: string;
  phase: LanePhase = 'ready';
  /**
   * The position of the head. After a done head (`isHeadDone`): the position of the last done
   * event.
   */
  position: Position;
  /** The event of the head; `undefined` while it is in the log alone. */
  record: StoredRecord | undefined;
  /** When the head was published, in milliseconds since 1970; 0 while unknown. */
  timeMs: number;
  /** Delivery attempts of the head that were started. */
  attempts = 0;
  /**
   * When a worker last received the head; 0 when unknown, as after a restart. Not used without
   * attempts.
   */
  leasedMs = 0;
  /** When the head may be tried again, or its lease ends; milliseconds since 1970. */
  dueMs = 0;
  heapIndex = -1;
  /** The name of the head's lease, for pull. */
  lease: string | undefined = undefined;
  /** Number of events handed out together: the head and events behind it. */
  handedOutCount = 1;
  /** The events behind the head that are in memory. */
  queue: Queue<StoredRecord> | undefined = undefined;
  /**
   * Start of the backlog. The channel's events after this position, through the tracker's position,
   * are in the log alone. `NO_POSITION`: there is no backlog.
   */
  backlogAfter: Position = NO_POSITION;
  /** End of the backlog: no later event is behind the head. */
  backlogThrough: Position = Infinity;
  /**
   * Positions behind the head that are, or were, open as aside lanes. This lane does not hand them
   * out.
   */
  asidePositions: Set<Position> | undefined = undefined;
  /** Number of events in the backlog, without those that the cursor had passed before a restart. */
  backlogCount = 0;
  /** True when the backlog has events that the cursor had passed before a restart. */
  hasRestoredBacklog = false;
  /**
   * The head is a gap: the events after this position are lost. `NO_POSITION`: the head is an
   * event.
   */
  gapAfter: Position = NO_POSITION;
  /** The head is a gap that was leased, so its record has left memory. */
  leasedGap: Gap | undefined = undefined;
  /** The next event to be read failed before, so its attempts continue to count. */
  keepsAttempts = false;
  /**
   * An *aside* lane has one event outside its channel's order. It is a dead letter that is retried,
   * a gap, or any event without an order.
   */
  readonly isAside: boolean;
  /** A dead letter that is retried. False after a restart: it then waits like every open event. */
  isRetried = false;
  /** True when the head is done and the event behind it is still to be read. */
  isHeadDone = false;
  /** The number of the checkpoint that follows the start of the current delivery. */
  startedInCheckpoint = 0;
  /** What the store has of this lane, in these five fields; `NO_POSITION`: it has no row. */
  storedPosition: Position = NO_POSITION;
  storedAttempts = 0;
  storedDueMs = 0;
  storedLease: string | undefined = undefined;
  storedHeldAfter: Position = NO_POSITION;

  constructor(channel: string, position: Position, record: StoredRecord | undefined, isAside: boolean) {
    this.channel = channel;
    this.position = position;
    this.record = record;
    this.timeMs = record?.timeMs ?? 0;
    this.isAside = isAside;
  }

  /** The event of the head. A lane that is ready or was just handed out has it in memory. */
  get head(): StoredRecord {
    assertInvariant(this.record !== undefined, 'lane: one that is handed out has its event');
    return this.record;
  }

  /** Every event of the channel up to here is done. */
  get doneThrough(): Position {
    if (this.isHeadDone) return this.backlogAfter;
    return this.gapAfter === NO_POSITION ? this.position - 1 : this.gapAfter;
  }

  /**
   * The page that the lane has to read: its head, or the events behind it.
   * @param through the tracker's position
   */
  page(through: Position): LanePage {
    return this.isHeadDone
      ? { after: this.backlogAfter, through: Math.min(through, this.backlogThrough), countMax: PAGE_COUNT_MAX }
      : { after: this.position - 1, through: this.position, countMax: 1 };
  }

  /**
   * Moves to the event behind the done head: from memory, else from the log. With neither, the lane
   * is done.
   */
  advance(): void {
    if (!this.keepsAttempts) this.attempts = 0;
    this.keepsAttempts = false;
    this.leasedGap = undefined;
    this.lease = undefined;
    this.dueMs = 0;
    this.handedOutCount = 1;
    this.record = this.queue?.shift();
    if (this.record !== undefined) {
      this.isHeadDone = false;
      this.position = this.record.position;
      this.timeMs = this.record.timeMs;
      this.phase = 'ready';
    } else if (this.backlogAfter !== NO_POSITION) {
      this.isHeadDone = true;
      this.phase = 'reading';
    } else this.phase = 'done';
  }

  /** Reads again all events after a position; a gap comes first. */
  rereadAfter(after: Position): void {
    this.gapAfter = NO_POSITION;
    this.backlogAfter = after;
    this.isHeadDone = true;
    this.keepsAttempts = true;
  }

  /** Records that an event behind the head is open as an aside lane. */
  addAside(position: Position): void {
    (this.asidePositions ??= new Set()).add(position);
  }

  enqueue(record: StoredRecord, buffered: BufferedEvents): void {
    this.queue ??= new Queue();
    this.queue.push(record);
    buffered.add(record);
  }

  /** Releases the event of the head from memory. It is read again. */
  unbufferHead(buffered: BufferedEvents): void {
    buffered.remove(this.record);
    this.record = undefined;
  }

  /**
   * Releases the events behind the head from memory, except the first `countKept`. They are read
   * again.
   */
  unbuffer(countKept: number, buffered: BufferedEvents): void {
    const { queue } = this;
    if (queue === undefined || queue.length <= countKept) return;
    for (let index = countKept; index < queue.length; index++) buffered.remove(queue.at(index));
    this.backlogCount += queue.length - countKept;
    // The backlog begins at the first released event: earlier events behind the head may be done.
    this.backlogAfter = queue.at(countKept).position - 1;
    queue.truncate(countKept);
  }

  /** Appends an event that was read from the log to the end of the lane. */
  append(record: StoredRecord, buffered: BufferedEvents): void {
    // An event behind a backlog, or behind a failing event, stays in the log until its turn comes.
    if (this.backlogAfter !== NO_POSITION) this.backlogCount++;
    else if (this.phase === 'waiting' || this.phase === 'reading') {
      this.backlogAfter = record.position - 1;
      this.backlogCount = 1;
    } else this.enqueue(record, buffered);
  }

  /**
   * Takes the page of its backlog through `reached` into memory, behind a gap if there is one.
   * @param through the tracker's position
   * @returns the number of events
   */
  enqueueBacklog(
    records: readonly StoredRecord[],
    reached: Position,
    through: Position,
    gap: StoredRecord | undefined,
    buffered: BufferedEvents,
  ): number {
    if (gap !== undefined) {
      this.gapAfter = this.backlogAfter;
      this.enqueue(gap, buffered);
    }
    this.backlogAfter = reached >= Math.min(through, this.backlogThrough) ? NO_POSITION : reached;
    const { asidePositions } = this;
    const behind =
      asidePositions === undefined ? records : records.filter(({ position }) => !asidePositions.has(position));
    for (const record of behind) this.enqueue(record, buffered);
    return behind.length;
  }

  /** Removes the events that were handed out together, because they are done. */
  removeHandedOut(buffered: BufferedEvents): void {
    buffered.remove(this.record);
    for (; this.handedOutCount > 1; this.handedOutCount--) {
      const record = this.queue?.shift();
      assertInvariant(record !== undefined, 'lane: only events in memory are handed out together');
      this.position = record.position;
      buffered.remove(record);
    }
    this.gapAfter = NO_POSITION;
  }

  /** Appends to `into` the events that were handed out together. */
  collectHandedOut(into: StoredRecord[]): void {
    into.push(this.head);
    const { queue } = this;
    for (let index = 0; queue !== undefined && index < this.handedOutCount - 1; index++) into.push(queue.at(index));
  }

  /** Reduces the number of events that were handed out together. */
  narrow(count: number): void {
    if (this.phase === 'in_flight') this.handedOutCount = Math.max(1, Math.min(this.handedOutCount, count));
  }

  /** The events in memory: the head, if it is, and those behind it. */
  *buffered(): Generator<StoredRecord> {
    if (this.record !== undefined) yield this.record;
    const { queue } = this;
    for (let index = 0; queue !== undefined && index < queue.length; index++) yield queue.at(index);
  }

  /** Visits every event in memory. */
  assertInvariants(): void {
    const { queue, handedOutCount } = this;
    assertInvariant(this.phase !== 'done', 'lane: one that is done has left its tracker');
    assertInvariant(
      handedOutCount === 1 || (this.phase === 'in_flight' && handedOutCount <= 1 + (queue?.length ?? 0)),
      'lane: only events in memory are handed out together',
    );
    assertInvariant(this.attempts >= 0, 'lane: attempts are not negative');
    assertInvariant(!this.isHeadDone || this.backlogAfter !== NO_POSITION, 'lane: a done head has events behind it');
    assertRising(
      [...this.buffered()].map(({ position }) => position),
      'lane: events are in the order of the log',
    );
  }

  /** Whether the event is the head or is behind it. */
  contains(channel: string, position: Position): boolean {
    if (this.position === position) return true;
    if (this.channel !== channel) return false;
    const { queue, backlogAfter } = this;
    if (backlogAfter !== NO_POSITION && position > backlogAfter && position <= this.backlogThrough) return true;
    for (let index = 0; queue !== undefined && index < queue.length; index++)
      if (queue.at(index).position === position) return true;
    return false;
  }
}

/** A page of the channel's events that a lane has to read. */
export interface LanePage {
  readonly after: Position;
  readonly through: Position;
  readonly countMax: number;
}

/**
 * - `ready`: the head may be handed out.
 * - `in_flight`: the head is handed out, and its outcome is not known yet.
 * - `waiting`: the head waits for the time of its next attempt.
 * - `reading`: the lane waits for a page of the log.
 * - `done`: the lane has no open event.
 */
export type LanePhase = 'ready' | 'in_flight' | 'waiting' | 'reading' | 'done';

/** Marks an absent position. */
export const NO_POSITION = -1;

/** Events that a lane reads ahead in one page. */
const PAGE_COUNT_MAX = 32;
