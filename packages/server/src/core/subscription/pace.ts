/** How a delivery went, as far as the pace is concerned. */
export type Going =
  | 'well'
  /** The endpoint is there, and did not want this event. */
  | 'refused'
  /** It is not there, is too slow, or asks for less. */
  | 'overrun';

/** Failures in a row, with nothing between them, after which an endpoint counts as failing altogether. */
export const FAILING_COUNT = 5;
/** A failing endpoint is left alone for this part of the time that it has been failing, within bounds. */
const REST_PART = 0.25;
const REST_MIN_MS = 1000;
const REST_MAX_MS = 300_000;
/** Requests in a second to an endpoint that was suspended and is back; every second that goes well doubles it. */
const RAMP_START_PER_SECOND = 10;
const RAMP_END_PER_SECOND = 20_000;

/**
 * How much at once, and how fast, one endpoint is sent: what it can take (PROTOCOL.md section 14.4). Concurrency begins at one, doubles
 * with each round that goes well until the first trouble, is halved by trouble and rises by one a round after that. Times are milliseconds
 * of one clock.
 */
export class Pace {
  readonly #concurrencyMax: number;
  readonly #ratePerSecond: number;
  #limit = 1;
  /** Beyond it, one more a round. */
  #slowStartEnd: number;
  /** When it was last halved: what was begun before says nothing new. */
  #cutMs = -1;
  #failures = 0;
  #isProven = false;
  /** A rest of its own choice, which a success ends; and one that the endpoint asked for, which what was under way does not. */
  #restUntilMs = 0;
  #askedUntilMs = 0;
  #tokens: number;
  #tokensMs = 0;
  #rampPerSecond = Infinity;
  #rampMs = 0;

  constructor(concurrencyMax: number, ratePerSecond: number | undefined) {
    this.#concurrencyMax = concurrencyMax;
    this.#ratePerSecond = ratePerSecond ?? Infinity;
    this.#slowStartEnd = concurrencyMax;
    this.#tokens = this.#burst;
  }

  /** Requests at once, at present. */
  get limit(): number {
    return Math.max(1, Math.floor(this.#limit));
  }

  /** Whether the last delivery went well, so that it may be trusted with a share of what there is. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** Whether nothing has gone well for some time. */
  get isFailing(): boolean {
    return this.#failures >= FAILING_COUNT;
  }

  get restUntilMs(): number {
    return Math.max(this.#restUntilMs, this.#askedUntilMs);
  }

  /** How many more requests may be begun now. */
  room(inFlight: number, nowMs: number): number {
    if (nowMs < this.restUntilMs) return 0;
    const room = this.limit - inFlight;
    if (room <= 0 || this.#perSecond === Infinity) return room;
    this.#refill(nowMs);
    return Math.min(room, Math.floor(this.#tokens + ROUNDING));
  }

  /** Events that are sent. */
  begun(count: number): void {
    if (this.#perSecond !== Infinity) this.#tokens -= count;
  }

  /** When there may be room that there is not now, though nothing comes back; Infinity when that alone can bring it. */
  nextMs(inFlight: number, nowMs: number): number {
    if (nowMs < this.restUntilMs) return this.restUntilMs;
    if (this.#perSecond === Infinity || inFlight >= this.limit) return Infinity;
    this.#refill(nowMs);
    if (this.#tokens + ROUNDING >= 1) return nowMs;
    return nowMs + Math.max(1, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000));
  }

  succeeded(nowMs: number): void {
    this.#failures = 0;
    this.#isProven = true;
    this.#restUntilMs = 0;
    if (this.#rampPerSecond !== Infinity) this.#ramp(nowMs);
    if (this.#limit >= this.#concurrencyMax) return;
    this.#limit = Math.min(
      this.#concurrencyMax,
      this.#limit + (this.#limit < this.#slowStartEnd ? 1 : 1 / this.#limit),
    );
  }

  /**
   * @param begunMs when the delivery that failed was begun
   * @param failingSinceMs since when there have been only failures
   * @param retryAfterMs how long the endpoint asked to be left alone, if it did
   */
  failed(
    going: Exclude<Going, 'well'>,
    begunMs: number,
    nowMs: number,
    failingSinceMs: number,
    retryAfterMs: number | undefined,
  ): void {
    this.#failures++;
    this.#isProven = false;
    if (retryAfterMs !== undefined && going === 'overrun')
      this.#askedUntilMs = Math.max(this.#askedUntilMs, nowMs + retryAfterMs);
    if (going === 'refused' && !this.isFailing) return;
    if (begunMs > this.#cutMs) {
      this.#cutMs = nowMs;
      this.#slowStartEnd = Math.max(1, this.#limit / 2);
      this.#limit = this.#slowStartEnd;
    }
    if (!this.isFailing) return;
    this.#limit = 1;
    this.#slowStartEnd = Math.max(this.#slowStartEnd, Math.min(2, this.#concurrencyMax));
    const restMs = Math.min(REST_MAX_MS, Math.max(REST_MIN_MS, (nowMs - failingSinceMs) * REST_PART));
    this.#restUntilMs = Math.max(this.#restUntilMs, nowMs + restMs);
  }

  /** It was away for long, and is back: it is not run over by what has gathered. */
  healed(nowMs: number): void {
    this.#askedUntilMs = 0;
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
const ROUNDING = 1e-6;
