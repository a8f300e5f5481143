/** A tenth of a second. */
const WINDOW_MS = 100;
/** In one window: of all subscriptions, and of one. */
const DELIVERED_MAX = 50;
const DELIVERED_OF_ONE_MAX = 5;
const FAILED_MAX = 200;
const FAILED_OF_ONE_MAX = 40;

/** Which attempts are kept when there are thousands a second: failures rather than successes, and some of everybody's. */
export class AttemptSampler {
  readonly #monotonicMs: () => number;
  #beganMs = -Infinity;
  #delivered = new SampleWindow();
  #failed = new SampleWindow();

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Whether the next one would be kept. */
  wouldKeep(subscription: string, isDelivered: boolean): boolean {
    const nowMs = this.#monotonicMs();
    if (nowMs - this.#beganMs >= WINDOW_MS) {
      this.#beganMs = nowMs;
      this.#delivered.clear();
      this.#failed.clear();
    }
    return isDelivered
      ? this.#delivered.hasRoom(subscription, DELIVERED_MAX, DELIVERED_OF_ONE_MAX)
      : this.#failed.hasRoom(subscription, FAILED_MAX, FAILED_OF_ONE_MAX);
  }

  /** Counts it, if it is kept. */
  keep(subscription: string, isDelivered: boolean): boolean {
    if (!this.wouldKeep(subscription, isDelivered)) return false;
    (isDelivered ? this.#delivered : this.#failed).add(subscription);
    return true;
  }
}

class SampleWindow {
  readonly #bySubscription = new Map<string, number>();
  #count = 0;

  hasRoom(subscription: string, countMax: number, ofOneMax: number): boolean {
    return this.#count < countMax && (this.#bySubscription.get(subscription) ?? 0) < ofOneMax;
  }

  add(subscription: string): void {
    this.#count++;
    this.#bySubscription.set(subscription, (this.#bySubscription.get(subscription) ?? 0) + 1);
  }

  clear(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#bySubscription.clear();
  }
}
