import type { Position, StoredRecord } from '../../core/ports.ts';
import type { DueItem } from './due-heap.ts';
import type { BufferedEvents } from './buffered-events.ts';
import { Queue } from '../../core/primitives/queue.ts';

/**
 * What is delivered one after the other: in per-channel order a channel's events that are not done, else a single event. Its first
 * event, the head, is what is handed out; `Progress` moves it on.
 */
export class Lane implements DueItem {
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
  handedOutCount = 1;
  /** Behind the head, in memory. */
  queue: Queue<StoredRecord> | undefined = undefined;
  /** The channel's events after this, and up to where its progress has read, are only in the log; `NOTHING`: there are none. */
  backlogAfter: Position = NO_POSITION;
  /** Behind the head is nothing that comes after this. */
  backlogThrough: Position = Infinity;
  /** Of what is behind the head these are open by themselves, or were: they are not handed out with the others. */
  asidePositions: Set<Position> | undefined = undefined;
  /** How many those are, but for what had been passed by before a restart. */
  backlogCount = 0;
  /** Some of those had been passed by before a restart. */
  hasUncountedBacklog = false;
  /** The head stands for events that are lost after this place; `NOTHING`: it is an event. */
  gapAfter: Position = NO_POSITION;
  /** What is read next is what failed before: its attempts go on counting. */
  keepsAttempts = false;
  /** Not the lane of its channel, but an event by itself: a dead letter that is tried again, or any where order plays no part. */
  readonly isAside: boolean;
  /** A dead letter that is tried again. Not known after a restart, when it waits like all that is open. */
  isRetried = false;
  /** Whether the head is done, and what follows is still to be read. */
  isHeadDone = false;
  /** With which note the present delivery was begun. */
  startedInCheckpoint = 0;
  /** What the store has of it; `NOTHING` when it has nothing. */
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

  /** All of its channel up to here is done. */
  get doneThrough(): Position {
    if (this.isHeadDone) return this.backlogAfter;
    return this.gapAfter === NO_POSITION ? this.position - 1 : this.gapAfter;
  }

  /**
   * What it has to read next: its head, or what comes after it.
   * @param through as far as its progress has read
   */
  page(through: Position): LanePage {
    return this.isHeadDone
      ? { after: this.backlogAfter, through: Math.min(through, this.backlogThrough), countMax: PAGE_COUNT_MAX }
      : { after: this.position - 1, through: this.position, countMax: 1 };
  }

  /** The head is done: on to what is behind it, in memory, then in the log; where there is nothing, it is over. */
  advance(): void {
    if (!this.keepsAttempts) this.attempts = 0;
    this.keepsAttempts = false;
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

  /** Its head is what comes after a place, a gap first: all of it is read once more. */
  rereadAfter(after: Position): void {
    this.gapAfter = NO_POSITION;
    this.backlogAfter = after;
    this.isHeadDone = true;
    this.keepsAttempts = true;
  }

  /** An event behind the head is open by itself. */
  addAside(position: Position): void {
    (this.asidePositions ??= new Set()).add(position);
  }

  enqueue(record: StoredRecord, buffered: BufferedEvents): void {
    this.queue ??= new Queue();
    this.queue.push(record);
    buffered.add(record);
  }

  /** Lets go of what is behind the head, but for so many: that is read again. */
  unbuffer(countKept: number, buffered: BufferedEvents): void {
    const { queue } = this;
    if (queue === undefined || queue.length <= countKept) return;
    for (let index = countKept; index < queue.length; index++) buffered.remove(queue.at(index));
    this.backlogCount += queue.length - countKept;
    // From the first of those on: between it and the head may be what is done.
    this.backlogAfter = queue.at(countKept).position - 1;
    queue.truncate(countKept);
  }

  /** Whether an event is its head, or behind it. */
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
export type LanePhase = 'ready' | 'in_flight' | 'waiting' | 'reading' | 'done';

/** No place. */
export const NO_POSITION = -1;

/** Events that a lane reads ahead of its head, in one page. */
const PAGE_COUNT_MAX = 32;
