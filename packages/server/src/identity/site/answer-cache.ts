import { LruCache } from '../lru-cache.ts';

/** An answer, as long as it is of use. */
export interface CachedAnswer<Value> {
  readonly key: string;
  /** Whose it is, if it is anybody's. */
  readonly user: string | undefined;
  readonly freshUntilMs: number;
  /** May be put in place of the first while it is past its time. */
  value: Value;
  /** While it is past its time: until when its present value holds. */
  gracedUntilMs: number;
}

/**
 * Answers by the hash of what was asked. Each can be had until its time and the grace are over. The number is bounded: where one
 * more comes, the one goes that was not asked for for longest.
 */
export class AnswerCache<Value> {
  readonly #graceMs: number;
  readonly #byKey: LruCache<CachedAnswer<Value>>;
  readonly #byUser = new Map<string, CachedAnswer<Value> | Set<CachedAnswer<Value>>>();

  constructor(entriesMax: number, graceMs: number) {
    this.#graceMs = graceMs;
    this.#byKey = new LruCache(entriesMax, BYTES_MAX);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Also one that is past its time, while there is grace. */
  get(key: string, nowMs: number): CachedAnswer<Value> | undefined {
    const cached = this.#byKey.get(key);
    if (cached === undefined) return undefined;
    if (nowMs < this.graceEndMs(cached)) return cached;
    this.#remove(cached);
    return undefined;
  }

  graceEndMs({ freshUntilMs }: CachedAnswer<Value>): number {
    return freshUntilMs + this.#graceMs;
  }

  set(key: string, user: string | undefined, value: Value, freshUntilMs: number): void {
    this.delete(key);
    const cached: CachedAnswer<Value> = { key, user, value, freshUntilMs, gracedUntilMs: 0 };
    this.#indexByUser(cached);
    for (const evicted of this.#byKey.set(key, cached, bytesOf(key, value))) this.#unindexByUser(evicted);
  }

  delete(key: string): void {
    const cached = this.#byKey.get(key);
    if (cached !== undefined) this.#remove(cached);
  }

  /** Everything that was answered for or about a user. */
  forget(user: string): void {
    const all = this.#byUser.get(user);
    if (all === undefined) return;
    this.#byUser.delete(user);
    for (const { key } of all instanceof Set ? all : [all]) this.#byKey.delete(key);
  }

  #remove(cached: CachedAnswer<Value>): void {
    this.#byKey.delete(cached.key);
    this.#unindexByUser(cached);
  }

  #indexByUser(cached: CachedAnswer<Value>): void {
    if (cached.user === undefined) return;
    const others = this.#byUser.get(cached.user);
    if (others === undefined) this.#byUser.set(cached.user, cached);
    else if (others instanceof Set) others.add(cached);
    else this.#byUser.set(cached.user, new Set([others, cached]));
  }

  #unindexByUser(cached: CachedAnswer<Value>): void {
    if (cached.user === undefined) return;
    const others = this.#byUser.get(cached.user);
    if (!(others instanceof Set)) this.#byUser.delete(cached.user);
    else if (others.delete(cached) && others.size === 0) this.#byUser.delete(cached.user);
  }
}

/** Answers of one kind, all together: what the site says of a user may be long. */
const BYTES_MAX = 64 * 1024 * 1024;

function bytesOf(key: string, value: unknown): number {
  return 400 + 2 * (key.length + (JSON.stringify(value) ?? '').length);
}
