/** How many events may be handed out, when there is a bound in a second: what was saved up is a tenth of a second's worth. */
export class RateLimiter {
  readonly #perSecond: number;
  #tokens: number;
  #sinceMs = 0;

  /** @param perSecond `undefined`: as many as there are */
  constructor(perSecond: number | undefined) {
    this.#perSecond = perSecond ?? Infinity;
    this.#tokens = this.#burst;
  }

  get isBounded(): boolean {
    return this.#perSecond !== Infinity;
  }

  /** How many may go now. */
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

  /** When there is room for one, as of the last `room`. */
  get nextAvailableMs(): number {
    if (!this.isBounded || this.#tokens + ROUNDING_TOLERANCE >= 1) return this.#sinceMs;
    return this.#sinceMs + Math.max(1, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000));
  }

  get #burst(): number {
    return this.isBounded ? Math.max(1, this.#perSecond / 10) : 0;
  }
}

/** What sums of fractions may be off by. */
const ROUNDING_TOLERANCE = 1e-6;
