import { hash } from 'node:crypto';
import type { Principal } from '../../core/principal.ts';
import type { KeySource, VerificationKey } from './keys.ts';

/** What was found out about a token. */
export interface VerifiedToken {
  readonly principal: Principal;
  readonly key: VerificationKey;
  readonly source: KeySource;
}

/** Tokens that were verified, by a hash of their text, the one not used for longest going first when there are too many. */
export class VerifiedTokens {
  readonly #entries = new Map<string, VerifiedToken>();
  readonly #countMax: number;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  static nameOf(token: string): string {
    return hash('sha256', token, 'latin1');
  }

  /** Whom a token speaks for, if that is known and still true. */
  find(name: string, nowMs: number): Principal | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    this.#entries.delete(name);
    const { principal, key, source } = entry;
    if (nowMs >= principal.expiresMs || key.isRetired || !source.trusts(key)) return undefined;
    this.#entries.set(name, entry);
    return principal;
  }

  add(name: string, entry: VerifiedToken): void {
    if (this.#countMax === 0) return;
    this.#entries.set(name, entry);
    if (this.#entries.size <= this.#countMax) return;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest as string);
  }

  get size(): number {
    return this.#entries.size;
  }
}
