import type { Position, StoredRecord } from '../ports.ts';
import type { Due } from './due-heap.ts';
import type { HeldEvents } from './held-events.ts';
import { Queue } from '../queue.ts';

/**
 * What is delivered one after the other: in per-channel order a channel's events that are not done, else a single event. Its first
 * event, the head, is what is handed out; `Progress` moves it on.
 */
export class Lane implements Due {
  readonly channel: string;
  phase: LanePhase = 'ready';
  /** The head's place. While `reading`, that of the last event that is done, or of the head whose payload is being fetched. */
  position: Position;
  /** The head's event; `undefined` while it is only in the log. */
  record: StoredRecord | undefined;
  /** When the head was published; 0 while that is not known. */
  timeMs: number;
  /** Deliveries of the head that were begun. */
  attempts = 0;
  /** When a worker was last given the head; 0 where that is not known, as after a restart. Of no account without attempts. */
  leasedMs = 0;
  /** When it may be tried again, or its lease ends; milliseconds since 1970. */
  dueMs = 0;
  heapIndex = -1;
  /** The name of the head's lease, for pull. */
  lease: string | undefined = undefined;
  /** Events handed out together: the head and those behind it. */
  span = 1;
  /** Behind the head, in memory. */
  queue: Queue<StoredRecord> | undefined = undefined;
  /** The channel's events after this, and up to where its progress has read, are only in the log; `NOTHING`: there are none. */
  backlogAfter: Position = NOTHING;
  /** Behind the head is nothing that comes after this. */
  heldThrough: Position = Infinity;
  /** Of what is behind the head these are open by themselves, or were: they are not handed out with the others. */
  besides: Set<Position> | undefined = undefined;
  /** How many those are, but for what had been passed by before a restart. */
  logged = 0;
  /** Some of those had been passed by before a restart. */
  hasUncounted = false;
  /** The head stands for events that are lost after this place; `NOTHING`: it is an event. */
  gapFrom: Position = NOTHING;
  /** What is read next is what failed before: its attempts go on counting. */
  isAgain = false;
  /** Not the lane of its channel, but an event by itself: a dead letter that is tried again, or any where order plays no part. */
  readonly isAside: boolean;
  /** A dead letter that is tried again. Not known after a restart, when it waits like all that is open. */
  isRetried = false;
  /** Whether the head is done, and what follows is still to be read. */
  isHeadDone = false;
  /** With which note the present delivery was begun. */
  begunNote = 0;
  /** What the store has of it; `NOTHING` when it has nothing. */
  storedPosition: Position = NOTHING;
  storedAttempts = 0;
  storedDueMs = 0;
  storedLease: string | undefined = undefined;
  storedHeldAfter: Position = NOTHING;

  constructor(channel: string, position: Position, record: StoredRecord | undefined, isAside: boolean) {
    this.channel = channel;
    this.position = position;
    this.record = record;
    this.timeMs = record?.timeMs ?? 0;
    this.isAside = isAside;
  }

  /** All of its channel up to here is done. */
  get doneThrough(): Position {
    if (this.isHeadDone) return this.backlogAfter;
    return this.gapFrom === NOTHING ? this.position - 1 : this.gapFrom;
  }

  /**
   * What it has to read next: its head, or what comes after it.
   * @param through as far as its progress has read
   */
  page(through: Position): LanePage {
    return this.isHeadDone
      ? { after: this.backlogAfter, through: Math.min(through, this.heldThrough), countMax: PAGE_COUNT_MAX }
      : { after: this.position - 1, through: this.position, countMax: 1 };
  }

  /** The head is done: on to what is behind it, in memory, then in the log; where there is nothing, it is over. */
  moveOn(): void {
    if (!this.isAgain) this.attempts = 0;
    this.isAgain = false;
    this.lease = undefined;
    this.dueMs = 0;
    this.span = 1;
    this.record = this.queue?.shift();
    if (this.record !== undefined) {
      this.isHeadDone = false;
      this.position = this.record.position;
      this.timeMs = this.record.timeMs;
      this.phase = 'ready';
    } else if (this.backlogAfter !== NOTHING) {
      this.isHeadDone = true;
      this.phase = 'reading';
    } else this.phase = 'over';
  }

  /** Its head is what comes after a place, a gap first: all of it is read once more. */
  beginAgain(after: Position): void {
    this.gapFrom = NOTHING;
    this.backlogAfter = after;
    this.isHeadDone = true;
    this.isAgain = true;
  }

  /** An event behind the head is open by itself. */
  leaveOut(position: Position): void {
    (this.besides ??= new Set()).add(position);
  }

  putBehind(record: StoredRecord, held: HeldEvents): void {
    this.queue ??= new Queue();
    this.queue.push(record);
    held.add(record);
  }

  /** Lets go of what is behind the head, but for so many: that is read again. */
  letGo(countKept: number, held: HeldEvents): void {
    const { queue } = this;
    if (queue === undefined || queue.length <= countKept) return;
    for (let index = countKept; index < queue.length; index++) held.remove(queue.at(index));
    this.logged += queue.length - countKept;
    // From the first of those on: between it and the head may be what is done.
    this.backlogAfter = queue.at(countKept).position - 1;
    queue.cut(countKept);
  }

  /** Whether an event is its head, or behind it. */
  has(channel: string, position: Position): boolean {
    if (this.position === position) return true;
    if (this.channel !== channel) return false;
    const { queue, backlogAfter } = this;
    if (backlogAfter !== NOTHING && position > backlogAfter && position <= this.heldThrough) return true;
    for (let index = 0; queue !== undefined && index < queue.length; index++)
      if (queue.at(index).position === position) return true;
    return false;
  }
}

/** A page of a channel's events that a lane needs. */
export interface LanePage {
  readonly after: Position;
  readonly through: Position;
  readonly countMax: number;
}

/**
 * `ready`: its head may be handed out. `flying`: it has been, and how it went is not known yet. `waiting`: for the time of its next
 * attempt. `reading`: for a page of the log. `over`: nothing is left of it.
 */
export type LanePhase = 'ready' | 'flying' | 'waiting' | 'reading' | 'over';

/** No place. */
export const NOTHING = -1;

/** Events that a lane reads ahead of its head, in one page. */
const PAGE_COUNT_MAX = 32;
