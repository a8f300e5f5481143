/** The measurements that the throttle reads. */
export interface BackfillThrottleInputs {
  /** Milliseconds of a monotonic clock, with fractions. */
  readonly nowMs: () => number;
  /** Total idle time of the event loop, in milliseconds. */
  readonly idleMs: () => number;
  /** Total number of events written to live consumers. */
  readonly liveEvents: () => number;
}

/** Interval of the measurements. */
const SAMPLE_INTERVAL_MS = 100;
/** The event loop is full when a smaller part of its time is idle. */
const IDLE_FRACTION_MIN = 0.1;
/** Events per second written to live consumers: below this rate, nothing is throttled. */
const LIVE_EVENTS_PER_SECOND_MIN = 5000;
/**
 * Fractions of the event loop's time: the smallest share of backfill, and the step of its growth.
 */
const SHARE_MIN = 0.1;
const SHARE_STEP = 0.05;
const SHARE_DECREASE_FACTOR = 0.7;
/**
 * Total cost of a request (response, socket, payload from the log) in relation to the cost of its
 * start.
 */
const COST_FACTOR = 3;
const COST_FIRST_MS = 0.08;
/** Weight of the newest measurement in the moving average of the cost. */
const COST_WEIGHT = 0.05;

/**
 * The backfill throttle slows consumers that are behind, in favour of live consumers. While the
 * event loop is full and many events go to live consumers, the share of backfill falls by 30 %
 * every 100 ms. Later it rises in steps. Live consumers are never throttled.
 */
export class BackfillThrottle {
  readonly #inputs: BackfillThrottleInputs;
  #share = 1;
  #costMs = COST_FIRST_MS;
  /** Time of the event loop that new requests may still use, and the time of its last refill. */
  #allowanceMs = 0;
  #refilledMs = 0;
  /** Values of the last measurement. The first one only sets the base. */
  #sampledMs = -Infinity;
  #idleMs = 0;
  #liveEvents = 0;

  constructor(inputs: BackfillThrottleInputs) {
    this.#inputs = inputs;
  }

  /** Number of backlog requests that may begin now; Infinity while the throttle is open. */
  availableRequests(): number {
    const nowMs = this.#inputs.nowMs();
    if (nowMs - this.#sampledMs >= SAMPLE_INTERVAL_MS) this.#sample(nowMs);
    if (this.#share >= 1) return Infinity;
    this.#allowanceMs = Math.min(
      SAMPLE_INTERVAL_MS * this.#share,
      this.#allowanceMs + (nowMs - this.#refilledMs) * this.#share,
    );
    this.#refilledMs = nowMs;
    return Math.max(0, Math.floor(this.#allowanceMs / this.#costMs));
  }

  /** Reports that `count` requests began within `durationMs`. */
  onStarted(count: number, durationMs: number): void {
    if (count === 0) return;
    this.#costMs += ((durationMs / count) * COST_FACTOR - this.#costMs) * COST_WEIGHT;
    if (this.#share < 1) this.#allowanceMs -= count * this.#costMs;
  }

  #sample(nowMs: number): void {
    const { idleMs, liveEvents } = this.#inputs;
    const durationMs = nowMs - this.#sampledMs;
    const idle = idleMs();
    const live = liveEvents();
    // The first measurement has no previous one to compare with.
    const isFull = durationMs < Infinity && idle - this.#idleMs < durationMs * IDLE_FRACTION_MIN;
    const hasLiveLoad = live - this.#liveEvents > (LIVE_EVENTS_PER_SECOND_MIN * durationMs) / 1000;
    this.#sampledMs = nowMs;
    this.#idleMs = idle;
    this.#liveEvents = live;
    const wasUnlimited = this.#share >= 1;
    if (isFull && hasLiveLoad) this.#share = Math.max(SHARE_MIN, this.#share * SHARE_DECREASE_FACTOR);
    else this.#share = Math.min(1, this.#share + (hasLiveLoad ? SHARE_STEP : 2 * SHARE_STEP));
    if (wasUnlimited) {
      this.#allowanceMs = 0;
      this.#refilledMs = nowMs;
    }
  }
}
