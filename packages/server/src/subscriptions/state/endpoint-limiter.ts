/** How a delivery went, as far as the pace is concerned. */
export type DeliveryFeedback =
  | 'success'
  /** The endpoint is there, and did not want this event. */
  | 'rejected'
  /** It is not there, is too slow, or asks for less. */
  | 'overloaded';

/** Failures in a row, with nothing between them, after which an endpoint counts as failing altogether. */
export const FAILING_COUNT = 5;
/** A failing endpoint is left alone for this part of the time that it has been failing, within bounds. */
const BACKOFF_FRACTION = 0.25;
const BACKOFF_MIN_MS = 1000;
const BACKOFF_MAX_MS = 300_000;
/** Requests in a second to an endpoint that was suspended and is back; every second that goes well doubles it. */
const RAMP_START_PER_SECOND = 10;
const RAMP_END_PER_SECOND = 20_000;

/**
 * How much at once, and how fast, one endpoint is sent: what it can take (PROTOCOL.md section 14.4). Concurrency begins at one, doubles
 * with each round that goes well until the first trouble, is halved by trouble and rises by one a round after that. Times are milliseconds
 * of one clock.
 */
export class EndpointLimiter {
  readonly #concurrencyMax: number;
  readonly #ratePerSecond: number;
  #concurrency = 1;
  /** Beyond it, one more a round. */
  #slowStartThreshold: number;
  /** When it was last halved: what was begun before says nothing new. */
  #decreasedMs = -1;
  #failures = 0;
  #isHealthy = false;
  /** A rest of its own choice, which a success ends; and one that the endpoint asked for, which what was under way does not. */
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

  /** Requests at once, at present. */
  get concurrency(): number {
    return Math.max(1, Math.floor(this.#concurrency));
  }

  /** Whether the last delivery went well, so that it may be trusted with a share of what there is. */
  get isHealthy(): boolean {
    return this.#isHealthy;
  }

  /** Whether nothing has gone well for some time. */
  get isFailing(): boolean {
    return this.#failures >= FAILING_COUNT;
  }

  get backoffUntilMs(): number {
    return Math.max(this.#ownBackoffUntilMs, this.#retryAfterUntilMs);
  }

  /** How many more requests may be begun now. */
  availableSlots(inFlight: number, nowMs: number): number {
    if (nowMs < this.backoffUntilMs) return 0;
    const available = this.concurrency - inFlight;
    if (available <= 0 || this.#perSecond === Infinity) return available;
    this.#refill(nowMs);
    return Math.min(available, Math.floor(this.#tokens + ROUNDING_TOLERANCE));
  }

  /** Events that are sent. */
  consumeTokens(count: number): void {
    if (this.#perSecond !== Infinity) this.#tokens -= count;
  }

  /** When there may be room that there is not now, though nothing comes back; Infinity when that alone can bring it. */
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
   * @param startedMs when the delivery that failed was begun
   * @param failingSinceMs since when there have been only failures
   * @param retryAfterMs how long the endpoint asked to be left alone, if it did
   */
  onFailure(
    feedback: Exclude<DeliveryFeedback, 'success'>,
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

  /** It was away for long, and is back: it is not run over by what has gathered. */
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

  /** What may come at once when the rate allows fewer: a tenth of a second's worth. */
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

/** What sums of fractions may be off by. */
const ROUNDING_TOLERANCE = 1e-6;
