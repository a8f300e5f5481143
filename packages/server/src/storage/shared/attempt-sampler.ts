/** The length of a window. */
const WINDOW_MS = 100;
/** Attempts of one window that are stored: of all subscriptions together, and of one. */
const DELIVERED_MAX = 50;
const DELIVERED_OF_ONE_MAX = 5;
const FAILED_MAX = 200;
const FAILED_OF_ONE_MAX = 40;

/**
 * Selects the attempts to store when there are thousands a second. It stores more failures than
 * successes, and some of each subscription.
 *
 * Example: in one window of 100 ms, 40 failures of one subscription are stored. Further ones are
 * only counted.
 */
export class AttemptSampler {
  readonly #monotonicMs: () => number;
  #beganMs = -Infinity;
  #delivered = new SampleWindow();
  #failed = new SampleWindow();

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Whether the next attempt would be stored. */
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

  /** Returns whether the attempt is to be stored, and counts it then. */
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
