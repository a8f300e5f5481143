import type { Clock } from '../core/ports.ts';
import { DueHeap } from '../core/subscription/due-heap.ts';
import type { Line } from './line.ts';

/** What `setTimeout` counts in one go. */
const TIMER_MAX_MS = 2_000_000_000;

/** One timer for all lines: calls each when its time has come. */
export class Alarm {
  readonly #clock: Clock;
  readonly #speed: number;
  readonly #due: (line: Line) => void;
  readonly #heap = new DueHeap<Line>();
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Infinity;

  /** @param speed how many times faster than on the wall time passes for the clock */
  constructor(clock: Clock, speed: number, due: (line: Line) => void) {
    this.#clock = clock;
    this.#speed = speed;
    this.#due = due;
  }

  /** Has it called at a time, and at no other. Infinity: never. */
  set(line: Line, dueMs: number): void {
    if (dueMs === Infinity) {
      this.#heap.remove(line);
      return;
    }
    if (line.heapIndex >= 0 && line.dueMs === dueMs) return;
    this.#heap.set(line, dueMs);
    this.#arm();
  }

  remove(line: Line): void {
    this.#heap.remove(line);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** A timer that comes too early looks again; so few are set. */
  #arm(): void {
    const { nextMs } = this.#heap;
    if (nextMs >= this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = nextMs;
    const waitMs = Math.max(0, nextMs - this.#clock.nowMs()) / this.#speed;
    this.#timer = setTimeout(this.#ring, Math.min(TIMER_MAX_MS, Math.ceil(waitMs)));
    this.#timer.unref();
  }

  readonly #ring = (): void => {
    this.#timerMs = Infinity;
    const nowMs = this.#clock.nowMs();
    for (let line = this.#heap.take(nowMs); line !== undefined; line = this.#heap.take(nowMs)) this.#due(line);
    this.#arm();
  };
}
