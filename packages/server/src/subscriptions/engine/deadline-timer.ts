import type { Clock } from '../../core/ports.ts';
import { DueHeap, type DueItem } from '../state/due-heap.ts';

/** Longest delay that `setTimeout` accepts, rounded down. */
const TIMER_MAX_MS = 2_000_000_000;

/** One timer for many items: calls `onDue` for each item when it is due. */
export class DeadlineTimer<Item extends DueItem> {
  readonly #clock: Clock;
  readonly #speed: number;
  readonly #onDue: (item: Item) => void;
  readonly #heap = new DueHeap<Item>();
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Infinity;

  /** @param speed how many times faster than real time the clock runs */
  constructor(clock: Clock, speed: number, onDue: (item: Item) => void) {
    this.#clock = clock;
    this.#speed = speed;
    this.#onDue = onDue;
  }

  /**
   * Sets when an item is due, in milliseconds of the clock; it replaces the earlier time. Infinity:
   * never.
   */
  set(item: Item, dueMs: number): void {
    if (dueMs === Infinity) {
      this.#heap.remove(item);
      return;
    }
    if (item.heapIndex >= 0 && item.dueMs === dueMs) return;
    this.#heap.set(item, dueMs);
    this.#arm();
  }

  remove(item: Item): void {
    this.#heap.remove(item);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Sets the timer for the first item. A timer that fires too early sets a new one, so few are set.
   */
  #arm(): void {
    const { nextMs } = this.#heap;
    if (nextMs >= this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = nextMs;
    const waitMs = Math.max(0, nextMs - this.#clock.nowMs()) / this.#speed;
    this.#timer = setTimeout(this.#fire, Math.min(TIMER_MAX_MS, Math.ceil(waitMs)));
    this.#timer.unref();
  }

  readonly #fire = (): void => {
    this.#timerMs = Infinity;
    const nowMs = this.#clock.nowMs();
    for (let item = this.#heap.takeDue(nowMs); item !== undefined; item = this.#heap.takeDue(nowMs)) this.#onDue(item);
    this.#arm();
  };
}
