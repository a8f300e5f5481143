import { TimingWheel, type WheelTimer } from '../core/primitives/timing-wheel.ts';

/**
 * One timer for the deadlines of all exchanges. It runs only while there are deadlines, and it
 * never calls too early.
 */
export class Deadlines {
  readonly #wheel = new TimingWheel();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  start(item: WheelTimer, durationMs: number): void {
    this.#count++;
    // The current tick has already begun.
    this.#wheel.schedule(item, Math.ceil(durationMs / TICK_MS) + 1);
    this.#timer ??= setInterval(() => this.#onTick(), TICK_MS).unref();
  }

  /** Stops a deadline. Call it once for each `start`, also after the deadline has passed. */
  stop(item: WheelTimer): void {
    this.#count--;
    this.#wheel.cancel(item);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Advances by one tick a call, however late the call is. A delay of this process does not count
   * against the peers.
   */
  #onTick(): void {
    this.#wheel.advance();
    if (this.#count === 0) this.close();
  }
}

const TICK_MS = 50;
