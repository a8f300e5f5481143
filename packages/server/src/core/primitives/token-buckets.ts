/** Token buckets by name: what is allowed per second, and how much at once. Full buckets are forgotten. */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  #bytes = 0;

  /** What the names and their buckets take of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes one token. 0 when there was one, else how long until there is, in milliseconds.
   * @param nowMs any clock that does not go back
   */
  take(name: string, perSecond: number, burst: number, nowMs: number): number {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      if (this.#buckets.size >= BUCKETS_MAX || this.#bytes >= BYTES_MAX) this.#evict(nowMs);
      this.#bytes += bytesOf(name);
      this.#buckets.set(name, (bucket = { tokens: burst, atMs: nowMs, perSecond, burst }));
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1 - ROUNDING) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
    bucket.tokens--;
    return 0;
  }

  /** Those that have filled up by now are as good as new; if too few have, the oldest go, a good many for one look at all. */
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
/** Names are those of users and channels, 330 characters at most. */
const BYTES_MAX = 16 * 1024 * 1024;

/** A bucket with its place in the map, and the name, of which each character may take two bytes. */
function bytesOf(name: string): number {
  return 150 + 2 * name.length;
}

/** What sums of fractions may be off by: a token that is due is not put off for it. */
const ROUNDING = 1e-6;
