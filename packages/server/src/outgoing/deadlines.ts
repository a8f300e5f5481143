import { TimingWheel, type WheelTimer } from '../core/primitives/timing-wheel.ts';

/** One timer for the deadlines of all exchanges. It runs only while there are any, and never calls too early. */
export class Deadlines {
  readonly #wheel = new TimingWheel();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  start(item: WheelTimer, durationMs: number): void {
    this.#count++;
    // The present tick has begun already.
    this.#wheel.schedule(item, Math.ceil(durationMs / TICK_MS) + 1);
    this.#timer ??= setInterval(() => this.#onTick(), TICK_MS).unref();
  }

  /** Once for each that was started, whether it was due or not. */
  stop(item: WheelTimer): void {
    this.#count--;
    this.#wheel.cancel(item);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** By one slot a turn, however late it is: what holds up this process is not laid to the others. */
  #onTick(): void {
    this.#wheel.advance();
    if (this.#count === 0) this.close();
  }
}

const TICK_MS = 50;
