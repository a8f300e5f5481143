import { hash } from 'node:crypto';
import type { Principal } from '../../core/access/principal.ts';
import { SecondChanceCache } from '../second-chance-cache.ts';
import type { KeySource, VerificationKey } from './verification-keys.ts';

/** A verified token: its principal, and the key that verified it. */
export interface VerifiedToken {
  readonly principal: Principal;
  readonly key: VerificationKey;
  readonly source: KeySource;
}

/**
 * A cache of verified tokens, by the hash of their text. At the bound a token that was not used for
 * long is evicted.
 */
export class VerifiedTokens {
  readonly #entries: SecondChanceCache<VerifiedToken>;

  constructor(countMax: number) {
    this.#entries = new SecondChanceCache(countMax, BYTES_MAX);
  }

  static hashOf(token: string): string {
    return hash('sha256', token, 'latin1');
  }

  /**
   * Returns a token's principal, if the token is in the cache, has not expired, and its key is
   * still trusted.
   */
  find(name: string, nowMs: number): Principal | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const { principal, key, source } = entry;
    if (nowMs < principal.expiresMs && !key.isRetired && source.trusts(key)) return principal;
    this.#entries.delete(name);
    return undefined;
  }

  /** @param length the token's length, in characters; it bounds the size of the claims */
  add(name: string, entry: VerifiedToken, length: number): void {
    this.#entries.set(name, entry, ENTRY_BYTES + BYTES_PER_CHARACTER * length);
  }

  get size(): number {
    return this.#entries.size;
  }
}

/** The bound on the cache. A token has at most 8 KiB; parsed claims take a few times their text. */
const BYTES_MAX = 64 * 1024 * 1024;
const ENTRY_BYTES = 600;
const BYTES_PER_CHARACTER = 3;
