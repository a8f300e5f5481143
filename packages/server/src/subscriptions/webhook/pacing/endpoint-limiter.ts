/** The result of a failed delivery, as far as the limiter needs it. */
export type FailureFeedback =
  /** The endpoint answered, and rejected this event. */
  | 'rejected'
  /** The endpoint does not answer, is too slow, or asks for fewer requests. */
  | 'overloaded';

/** Consecutive failures after which an endpoint counts as failing. */
export const FAILING_COUNT = 5;
/**
 * A failing endpoint gets no requests for this fraction of its failing time, within these bounds.
 */
const BACKOFF_FRACTION = 0.25;
const BACKOFF_MIN_MS = 1000;
const BACKOFF_MAX_MS = 300_000;
/**
 * Requests per second to an endpoint that recovers after a suspension. Each second of success
 * doubles the rate.
 */
const RAMP_START_PER_SECOND = 10;
const RAMP_END_PER_SECOND = 20_000;

/**
 * Limits the concurrency and the rate of requests to one endpoint (PROTOCOL.md section 14.4).
 *
 * Concurrency starts at 1. It doubles in each round of successes until the first failure. A failure
 * halves it; after that it rises by one in each round. TCP calls this slow start and congestion
 * avoidance. All times are milliseconds of one clock.
 */
export class EndpointLimiter {
  readonly #concurrencyMax: number;
  readonly #ratePerSecond: number;
  #concurrency = 1;
  /** Above this concurrency, a round adds one. */
  #slowStartThreshold: number;
  /** When concurrency was last halved. A request that started before gives no new information. */
  #decreasedMs = -1;
  #failures = 0;
  #isHealthy = false;
  /**
   * `#ownBackoffUntilMs`: a pause that the limiter chose; a success ends it. `#retryAfterUntilMs`:
   * a pause that the endpoint asked for; a success of an earlier request does not end it.
   */
  #ownBackoffUntilMs = 0;
  #retryAfterUntilMs = 0;
  #tokens: number;
  #tokensMs = 0;
  #rampPerSecond = Infinity;
  #rampMs = 0;

  constructor(concurrencyMax: number, ratePerSecond: number | undefined) {
    this.#concurrencyMax = concurrencyMax;
    this.#ratePerSecond = ratePerSecond ?? Infinity;
    this.#slowStartThreshold = concurrencyMax;
    this.#tokens = this.#burst;
  }

  /** Requests that may be in flight at present. */
  get concurrency(): number {
    return Math.max(1, Math.floor(this.#concurrency));
  }

  /**
   * True when the last delivery succeeded. Healthy endpoints have a reserved share of all requests.
   */
  get isHealthy(): boolean {
    return this.#isHealthy;
  }

  /** True after `FAILING_COUNT` consecutive failures. */
  get isFailing(): boolean {
    return this.#failures >= FAILING_COUNT;
  }

  get backoffUntilMs(): number {
    return Math.max(this.#ownBackoffUntilMs, this.#retryAfterUntilMs);
  }

  /** Number of requests that may start now. */
  availableSlots(inFlight: number, nowMs: number): number {
    if (nowMs < this.backoffUntilMs) return 0;
    const available = this.concurrency - inFlight;
    if (available <= 0 || this.#perSecond === Infinity) return available;
    this.#refill(nowMs);
    return Math.min(available, Math.floor(this.#tokens + ROUNDING_TOLERANCE));
  }

  /** Counts events that are sent. */
  consumeTokens(count: number): void {
    if (this.#perSecond !== Infinity) this.#tokens -= count;
  }

  /**
   * When more requests may start without a new outcome; Infinity when only an outcome makes room.
   */
  nextAvailableMs(inFlight: number, nowMs: number): number {
    if (nowMs < this.backoffUntilMs) return this.backoffUntilMs;
    if (this.#perSecond === Infinity || inFlight >= this.concurrency) return Infinity;
    this.#refill(nowMs);
    if (this.#tokens + ROUNDING_TOLERANCE >= 1) return nowMs;
    return nowMs + Math.max(1, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000));
  }

  onSuccess(nowMs: number): void {
    this.#failures = 0;
    this.#isHealthy = true;
    this.#ownBackoffUntilMs = 0;
    if (this.#rampPerSecond !== Infinity) this.#ramp(nowMs);
    if (this.#concurrency >= this.#concurrencyMax) return;
    this.#concurrency = Math.min(
      this.#concurrencyMax,
      this.#concurrency + (this.#concurrency < this.#slowStartThreshold ? 1 : 1 / this.#concurrency),
    );
  }

  /**
   * @param startedMs when the failed delivery started
   * @param failingSinceMs since when every delivery has failed
   * @param retryAfterMs the pause that the endpoint asked for, if it did
   */
  onFailure(
    feedback: FailureFeedback,
    startedMs: number,
    nowMs: number,
    failingSinceMs: number,
    retryAfterMs: number | undefined,
  ): void {
    this.#failures++;
    this.#isHealthy = false;
    if (retryAfterMs !== undefined && feedback === 'overloaded')
      this.#retryAfterUntilMs = Math.max(this.#retryAfterUntilMs, nowMs + retryAfterMs);
    if (feedback === 'rejected' && !this.isFailing) return;
    if (startedMs > this.#decreasedMs) {
      this.#decreasedMs = nowMs;
      this.#slowStartThreshold = Math.max(1, this.#concurrency / 2);
      this.#concurrency = this.#slowStartThreshold;
    }
    if (!this.isFailing) return;
    this.#concurrency = 1;
    this.#slowStartThreshold = Math.max(this.#slowStartThreshold, Math.min(2, this.#concurrencyMax));
    const backoffMs = Math.min(BACKOFF_MAX_MS, Math.max(BACKOFF_MIN_MS, (nowMs - failingSinceMs) * BACKOFF_FRACTION));
    this.#ownBackoffUntilMs = Math.max(this.#ownBackoffUntilMs, nowMs + backoffMs);
  }

  /**
   * The endpoint is back after a suspension: its rate rises slowly, so that the backlog does not
   * overload it.
   */
  onRecovered(nowMs: number): void {
    this.#retryAfterUntilMs = 0;
    this.#rampPerSecond = RAMP_START_PER_SECOND;
    this.#rampMs = nowMs;
    this.#tokens = 1;
    this.#tokensMs = nowMs;
  }

  get #perSecond(): number {
    return Math.min(this.#ratePerSecond, this.#rampPerSecond);
  }

  /** Requests that may start at once within the rate: a tenth of a second's worth. */
  get #burst(): number {
    return this.#perSecond === Infinity ? 0 : Math.max(1, this.#perSecond / 10);
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#tokensMs);
    this.#tokensMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1000) * this.#perSecond);
  }

  #ramp(nowMs: number): void {
    while (nowMs - this.#rampMs >= 1000 && this.#rampPerSecond !== Infinity) {
      this.#rampMs += 1000;
      this.#rampPerSecond *= 2;
      if (this.#rampPerSecond > RAMP_END_PER_SECOND) this.#rampPerSecond = Infinity;
    }
    if (nowMs - this.#rampMs >= 1000) this.#rampMs = nowMs;
  }
}

/** Tolerance for rounding errors of added fractions. */
const ROUNDING_TOLERANCE = 1e-6;
