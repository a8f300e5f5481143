import { Queue } from '../../../core/primitives/queue.ts';
import { DueHeap } from '../due-heap.ts';
import { assertInvariant } from '../../../core/primitives/invariant.ts';
import type { Lane } from './lane.ts';

/**
 * Decides when each lane of a subscription has its turn. A lane is handed out now, at a time, or
 * after its head has been read from the log; its `phase` says which. A lane that is handed out is
 * in the heap too, while its lease has an end.
 */
export class LaneSchedule {
  readonly #ready = new Queue<Lane>();
  readonly #toRead = new Queue<Lane>();
  readonly #due = new DueHeap<Lane>();
  #waiting = 0;

  /** Lanes that wait for the time of their next attempt. */
  get awaitingRetry(): number {
    return this.#waiting;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** When `advance` next finds a due lane, in milliseconds since 1970; Infinity for never. */
  get nextMs(): number {
    return this.#due.nextMs;
  }

  /** Appends a lane that is `ready` or `reading` to its queue. */
  enqueue(lane: Lane): void {
    (lane.phase === 'reading' ? this.#toRead : this.#ready).push(lane);
  }

  nextReady(): Lane | undefined {
    return this.#ready.shift();
  }

  /** Lanes that are ready and have no event any more go to those that are to be read. */
  rereadEmptied(): void {
    for (let count = this.#ready.length; count > 0; count--) {
      const lane = this.#ready.shift();
      if (lane === undefined) return;
      if (lane.record === undefined) lane.phase = 'reading';
      this.enqueue(lane);
    }
  }

  nextToRead(): Lane | undefined {
    return this.#toRead.shift();
  }

  waitUntil(lane: Lane, dueMs: number): void {
    lane.phase = 'waiting';
    this.#waiting++;
    this.#due.set(lane, dueMs);
  }

  /** Sets the end of the lease on a lane that is handed out. */
  setLeaseEnd(lane: Lane, endsMs: number): void {
    this.#due.set(lane, endsMs);
  }

  clearLeaseEnd(lane: Lane): void {
    this.#due.remove(lane);
  }

  /** Makes due lanes ready, and reports each lane whose lease has ended. */
  advance(nowMs: number, onLeaseExpired?: (lane: Lane, lease: string) => void): void {
    for (let lane = this.#due.takeDue(nowMs); lane !== undefined; lane = this.#due.takeDue(nowMs)) {
      if (lane.phase === 'waiting') this.#wake(lane);
      else if (lane.phase === 'in_flight' && lane.lease !== undefined) onLeaseExpired?.(lane, lane.lease);
    }
  }

  /** Makes every waiting lane due now, the oldest first. */
  retryNow(nowMs: number): void {
    const waiting = [...this.#due.items()].filter(({ phase }) => phase === 'waiting');
    for (const lane of waiting.toSorted((one, other) => one.position - other.position))
      if (lane.dueMs > nowMs) {
        this.#due.remove(lane);
        this.#wake(lane);
      }
  }

  /** Makes the oldest waiting lane ready before its time, as a probe of a suspended endpoint. */
  takeProbe(): Lane | undefined {
    let oldest: Lane | undefined;
    for (const lane of this.#due.items())
      if (lane.phase === 'waiting' && (oldest === undefined || lane.position < oldest.position)) oldest = lane;
    if (oldest === undefined) return undefined;
    this.#due.remove(oldest);
    this.#wake(oldest);
    return oldest;
  }

  /** Number of events that may be handed out now, counted up to `countMax`. */
  countReady(countMax: number): number {
    let count = 0;
    for (let index = 0; index < this.#ready.length && count < countMax; index++) {
      const { attempts, queue } = this.#ready.at(index);
      count += attempts > 0 ? 1 : 1 + (queue?.length ?? 0);
    }
    return count;
  }

  /** Visits all of these lanes. */
  assertInvariants(lanes: Iterable<Lane>): void {
    let [ready, waiting] = [0, 0];
    for (const { phase, heapIndex, record } of lanes) {
      if (phase === 'ready') ready++;
      if (phase === 'waiting') waiting++;
      assertInvariant(phase !== 'waiting' || heapIndex >= 0, 'lanes: one that waits is woken at its time');
      assertInvariant(phase !== 'ready' || record !== undefined, 'lanes: one that is ready has its event');
      assertInvariant(
        heapIndex < 0 || phase === 'waiting' || phase === 'in_flight',
        'lanes: only one that waits, or is leased, has a time',
      );
    }
    assertInvariant(this.#ready.length === ready, 'lanes: each that is ready is in the queue once');
    assertInvariant(this.#waiting === waiting, 'lanes: the waiting ones are counted');
    for (let index = 0; index < this.#ready.length; index++)
      assertInvariant(this.#ready.at(index).phase === 'ready', 'lanes: the queue has those that are ready');
    for (let index = 0; index < this.#toRead.length; index++)
      assertInvariant(this.#toRead.at(index).phase === 'reading', 'lanes: those to read are in phase `reading`');
    this.#due.assertInvariants();
  }

  /** The lane is due. A head without a payload is read first. */
  #wake(lane: Lane): void {
    this.#waiting--;
    lane.phase = lane.record === undefined ? 'reading' : 'ready';
    this.enqueue(lane);
  }
}
