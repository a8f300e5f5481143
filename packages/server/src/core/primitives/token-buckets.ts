/**
 * Token buckets by name, each with a rate and a burst. Full buckets are forgotten. Example: with a
 * rate of 10 and a burst of 20, a quiet name may take 20 tokens at once, then 10 a second.
 */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  #bytes = 0;

  /** Memory of the names and their buckets, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes one token. Returns 0 on success, else the time until there is one, in milliseconds.
   * @param nowMs from any clock that does not go back
   */
  take(name: string, perSecond: number, burst: number, nowMs: number): number {
    const bucket = this.#filled(name, perSecond, burst, nowMs);
    if (bucket.tokens < 1 - ROUNDING) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
    bucket.tokens--;
    return 0;
  }

  /**
   * Removes tokens that were taken elsewhere from a bucket with the same name. It may owe some
   * afterwards: so the buckets of all places together allow no more than the rate.
   */
  spend(name: string, count: number, perSecond: number, burst: number, nowMs: number): void {
    this.#filled(name, perSecond, burst, nowMs).tokens -= count;
  }

  /** The bucket with the tokens of this moment. */
  #filled(name: string, perSecond: number, burst: number, nowMs: number): Bucket {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      if (this.#buckets.size >= BUCKETS_MAX || this.#bytes >= BYTES_MAX) this.#evict(nowMs);
      this.#bytes += bytesOf(name);
      this.#buckets.set(name, (bucket = { tokens: burst, atMs: nowMs, perSecond, burst }));
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    return bucket;
  }

  /**
   * Removes the full buckets, which are as good as new ones. If too many remain, removes the
   * oldest, several at once, because each pass is expensive.
   */
  #evict(nowMs: number): void {
    for (const [name, { tokens, atMs, perSecond, burst }] of this.#buckets) {
      if (tokens + ((nowMs - atMs) / 1000) * perSecond >= burst) this.#delete(name);
    }
    const countMax = BUCKETS_MAX - (BUCKETS_MAX >>> 6);
    const bytesMax = BYTES_MAX - (BYTES_MAX >>> 6);
    for (const name of this.#buckets.keys()) {
      if (this.#buckets.size <= countMax && this.#bytes <= bytesMax) return;
      this.#delete(name);
    }
  }

  #delete(name: string): void {
    this.#buckets.delete(name);
    this.#bytes -= bytesOf(name);
  }
}

interface Bucket {
  tokens: number;
  atMs: number;
  readonly perSecond: number;
  readonly burst: number;
}

const BUCKETS_MAX = 50_000;
/** Names are names of users and channels, 330 characters at most. */
const BYTES_MAX = 16 * 1024 * 1024;

/**
 * Memory of a bucket, its place in the map, and the name. A character of the name may take two
 * bytes.
 */
function bytesOf(name: string): number {
  return 150 + 2 * name.length;
}

/** Rounding error of sums of fractions: a token that is due is not delayed by it. */
const ROUNDING = 1e-6;
