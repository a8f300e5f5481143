import { Queue } from '../../core/primitives/queue.ts';
import { DueHeap } from './due-heap.ts';
import type { Lane } from './lane.ts';

/**
 * When each lane of a subscription has its turn: now, at a time, or once its head has been read from the log. The lane's `phase` says
 * which. One that is handed out stands here as well while its lease has an end.
 */
export class LaneSchedule {
  readonly #ready = new Queue<Lane>();
  readonly #toRead = new Queue<Lane>();
  readonly #due = new DueHeap<Lane>();
  #waiting = 0;

  /** Lanes that wait for their time. */
  get waiting(): number {
    return this.#waiting;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  get hasToRead(): boolean {
    return this.#toRead.length > 0;
  }

  /** When `advance` next finds something; Infinity for never. */
  get nextMs(): number {
    return this.#due.nextMs;
  }

  /** A lane that is `ready`, or `reading`: the last of those. */
  enqueue(lane: Lane): void {
    (lane.phase === 'reading' ? this.#toRead : this.#ready).push(lane);
  }

  nextReady(): Lane | undefined {
    return this.#ready.shift();
  }

  nextToRead(): Lane | undefined {
    return this.#toRead.shift();
  }

  waitUntil(lane: Lane, dueMs: number): void {
    lane.phase = 'waiting';
    this.#waiting++;
    this.#due.set(lane, dueMs);
  }

  /** The end of the lease on a lane that is handed out. */
  setLeaseEnd(lane: Lane, endsMs: number): void {
    this.#due.set(lane, endsMs);
  }

  clearLeaseEnd(lane: Lane): void {
    this.#due.remove(lane);
  }

  /** Brings forth what has come due by now; lanes whose lease is over are told. */
  advance(nowMs: number, onLeaseExpired?: (lane: Lane) => void): void {
    for (let lane = this.#due.takeDue(nowMs); lane !== undefined; lane = this.#due.takeDue(nowMs)) {
      if (lane.phase === 'waiting') this.#wake(lane);
      else if (lane.phase === 'in_flight') onLeaseExpired?.(lane);
    }
  }

  /** Everything that waits is due now, the oldest first. */
  retryNow(nowMs: number): void {
    const waiting = [...this.#due.items()].filter(({ phase }) => phase === 'waiting');
    for (const lane of waiting.toSorted((one, other) => one.position - other.position))
      if (lane.dueMs > nowMs) {
        this.#due.remove(lane);
        this.#wake(lane);
      }
  }

  /** The oldest of those that wait, ahead of its time: a probe. */
  takeProbe(): Lane | undefined {
    let oldest: Lane | undefined;
    for (const lane of this.#due.items())
      if (lane.phase === 'waiting' && (oldest === undefined || lane.position < oldest.position)) oldest = lane;
    if (oldest === undefined) return undefined;
    this.#due.remove(oldest);
    this.#wake(oldest);
    return oldest;
  }

  /** How many events may be handed out now, as far as `countMax`. */
  countReady(countMax: number): number {
    let count = 0;
    for (let index = 0; index < this.#ready.length && count < countMax; index++) {
      const { attempts, queue } = this.#ready.at(index);
      count += attempts > 0 ? 1 : 1 + (queue?.length ?? 0);
    }
    return count;
  }

  /** A lane whose time has come: its head is read first. */
  #wake(lane: Lane): void {
    this.#waiting--;
    lane.phase = lane.record === undefined ? 'reading' : 'ready';
    this.enqueue(lane);
  }
}
