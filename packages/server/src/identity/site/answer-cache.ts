import { hash } from 'node:crypto';
import { SecondChanceCache } from '../second-chance-cache.ts';

/** A cached answer. */
export interface CachedAnswer<Value> {
  readonly key: string;
  /** The user of the answer, if it has one. */
  readonly user: string | undefined;
  readonly freshUntilMs: number;
  /** The value. After `freshUntilMs` it may be replaced by a copy with a later end. */
  value: Value;
  /** After `freshUntilMs`: the end of the present value. */
  gracedUntilMs: number;
}

/**
 * Answers by the key of their question. An answer is available until its own end and the grace
 * after it. At the bound an answer that was not used for long is evicted.
 */
export class AnswerCache<Value> {
  readonly #graceMs: number;
  readonly #byKey: SecondChanceCache<CachedAnswer<Value>>;
  readonly #byUser = new Map<string, CachedAnswer<Value> | Set<CachedAnswer<Value>>>();

  constructor(entriesMax: number, graceMs: number) {
    this.#graceMs = graceMs;
    this.#byKey = new SecondChanceCache(entriesMax, BYTES_MAX);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Returns an answer, also an expired one during its grace. */
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

  /** Deletes all answers about a user. */
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

/** The bound on the bytes of a cache: the site's text about a user may be long. */
const BYTES_MAX = 64 * 1024 * 1024;

function bytesOf(key: string, value: unknown): number {
  return 400 + 2 * (key.length + (JSON.stringify(value) ?? '').length);
}

/**
 * The key of a question, for the text that decides about its answer. A short text is its own key,
 * since its hash would take as long as the rest of a lookup. It has a line break or is JSON, so it
 * is never the hash of another one.
 */
export function lookupKey(text: string): string {
  return text.length <= KEY_LENGTH_MAX ? text : hash('sha256', text, 'base64url');
}

/** In characters. A longer key would take more memory in the cache than a hash is worth. */
const KEY_LENGTH_MAX = 128;
