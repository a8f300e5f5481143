/** What the courtesy is judged by. */
export interface BackfillThrottleInputs {
  /** Milliseconds of a clock that never goes back, with fractions. */
  readonly nowMs: () => number;
  /** For how long the event loop has had nothing to do, in all, in milliseconds. */
  readonly idleMs: () => number;
  /** Events written to live consumers, in all. */
  readonly liveEvents: () => number;
}

/** How often it is judged anew. */
const SAMPLE_INTERVAL_MS = 100;
/** The event loop counts as full when less of its time than this is left. */
const IDLE_FRACTION_MIN = 0.1;
/** Events written to live consumers in a second: fewer are no crowd that could be kept waiting. */
const LIVE_EVENTS_PER_SECOND_MIN = 5000;
/** Of the time of the event loop: the least that catching up is left with; and by how much it changes. */
const SHARE_MIN = 0.1;
const SHARE_STEP = 0.05;
const SHARE_DECREASE_FACTOR = 0.7;
/** What a request costs in all, by what it costs to begin it: its answer, its socket, its payload from the log. */
const COST_FACTOR = 3;
const COST_FIRST_MS = 0.08;
/** How much of what it cost the last time goes into what it is taken to cost. */
const COST_WEIGHT = 0.05;

/**
 * Whoever catches up with a long backlog gives way to those who are live: while the event loop is full and many are live, what it takes of
 * the loop's time falls, and rises again by steps. What keeps up is never held back.
 */
export class BackfillThrottle {
  readonly #inputs: BackfillThrottleInputs;
  #share = 1;
  #costMs = COST_FIRST_MS;
  /** Of the event loop's time, what requests may still be begun with; and when it last grew. */
  #allowanceMs = 0;
  #refilledMs = 0;
  /** As of the last look; the first one finds out only where it begins. */
  #sampledMs = -Infinity;
  #idleMs = 0;
  #liveEvents = 0;

  constructor(inputs: BackfillThrottleInputs) {
    this.#inputs = inputs;
  }

  /** How many requests of a backlog may be begun now; Infinity while nobody is kept waiting by them. */
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

  /** So many were begun, in so long. */
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
    // The first time says nothing: what is compared with lies in no past.
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
