/**
 * Bounds the events per second that are handed out. Unused capacity is saved for at most a tenth of
 * a second, or for one event.
 */
export class RateLimiter {
  readonly #perSecond: number;
  #tokens: number;
  #sinceMs = 0;

  /** @param perSecond `undefined` for no bound */
  constructor(perSecond: number | undefined) {
    this.#perSecond = perSecond ?? Infinity;
    this.#tokens = this.#burst;
  }

  get isBounded(): boolean {
    return this.#perSecond !== Infinity;
  }

  /** Number of events that may be handed out now. */
  available(nowMs: number): number {
    if (!this.isBounded) return Infinity;
    const elapsedMs = Math.max(0, nowMs - this.#sinceMs);
    this.#sinceMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1000) * this.#perSecond);
    return Math.floor(this.#tokens + ROUNDING_TOLERANCE);
  }

  consume(count: number): void {
    if (this.isBounded) this.#tokens -= count;
  }

  /**
   * Time until which no event may be handed out; Infinity if one may be. As of the last `available`
   * call: a later time would answer another question than the caller has asked there.
   */
  get blockedUntilMs(): number {
    if (!this.isBounded || this.#tokens + ROUNDING_TOLERANCE >= 1) return Infinity;
    return this.#sinceMs + Math.max(1, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000));
  }

  get #burst(): number {
    return this.isBounded ? Math.max(1, this.#perSecond / 10) : 0;
  }
}

/** Tolerance for rounding errors in sums of fractions. */
const ROUNDING_TOLERANCE = 1e-6;
