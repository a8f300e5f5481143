import { hash } from 'node:crypto';
import type { Principal } from '../../core/access/principal.ts';
import { LruCache } from '../lru-cache.ts';
import type { KeySource, VerificationKey } from './verification-keys.ts';

/** What was found out about a token. */
export interface VerifiedToken {
  readonly principal: Principal;
  readonly key: VerificationKey;
  readonly source: KeySource;
}

/** Tokens that were verified, by a hash of their text, the one not used for longest going first when there are too many. */
export class VerifiedTokens {
  readonly #entries: LruCache<VerifiedToken>;

  constructor(countMax: number) {
    this.#entries = new LruCache(countMax, BYTES_MAX);
  }

  static hashOf(token: string): string {
    return hash('sha256', token, 'latin1');
  }

  /** Whom a token speaks for, if that is known and still true. */
  find(name: string, nowMs: number): Principal | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const { principal, key, source } = entry;
    if (nowMs < principal.expiresMs && !key.isRetired && source.trusts(key)) return principal;
    this.#entries.delete(name);
    return undefined;
  }

  /** @param length of the token: what it says is no longer */
  add(name: string, entry: VerifiedToken, length: number): void {
    this.#entries.set(name, entry, ENTRY_BYTES + BYTES_PER_CHARACTER * length);
  }

  get size(): number {
    return this.#entries.size;
  }
}

/** A token has 8 KiB at most; claims take a few times their text. */
const BYTES_MAX = 64 * 1024 * 1024;
const ENTRY_BYTES = 600;
const BYTES_PER_CHARACTER = 3;
