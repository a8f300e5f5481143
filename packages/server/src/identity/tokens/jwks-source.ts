import { PolycastError } from '@polycast/protocol';
import type { PublicAlgorithm } from '../../core/access/identity-settings.ts';
import { JWKS_BYTES_MAX, keysInSet } from './jwks.ts';
import { matchingKeys, type KeySource, type VerificationKey } from './verification-keys.ts';

/** Gets a document from an address, with all that guards such requests. Rejects with an Error that says what went wrong. */
export type FetchDocument = (
  url: string,
  bounds: { readonly timeoutMs: number; readonly bytesMax: number },
) => Promise<Buffer>;

export interface JwksSettings {
  /** After this long the keys are fetched anew. */
  readonly refreshMs: number;
  /** For this long they are trusted while they cannot be fetched. */
  readonly keptMs: number;
  /** The pause between two fetches. */
  readonly cooldownMs: number;
  readonly timeoutMs: number;
}

/** Where the keys are, where that has to be found out. */
export interface KeysLocation {
  /** Rejects with an Error that says what went wrong. */
  find(): Promise<string>;
  /** What was found was of no use. */
  forget(): void;
}

export interface JwksOptions extends JwksSettings {
  /** Where the keys are, or, with `location`, whose they are. */
  readonly url: string;
  readonly location?: KeysLocation | undefined;
  readonly algorithms: readonly PublicAlgorithm[];
  readonly fetchDocument: FetchDocument;
  readonly clock: { monotonicMs(): number };
  /** Told of each key that its issuer no longer has. */
  readonly onKeyWithdrawn: (key: VerificationKey) => void;
  readonly logger: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
}

/**
 * The keys that an issuer publishes. They are fetched at the start, in the background each time they have become old, and when
 * somebody needs one that is not there; one fetch is under way at a time, and everybody who waits, waits for that one. What a fetch
 * that fails leaves behind are the keys of before.
 */
export class JwksSource implements KeySource {
  /** How often the keys were fetched, and could not be. */
  readonly stats: { fetched: number; failed: number } = { fetched: 0, failed: 0 };
  readonly #options: JwksOptions;
  #keys: readonly VerificationKey[] | undefined;
  #lastFetchedMs = -Infinity;
  #lastAttemptMs = -Infinity;
  #hasFailed = false;
  #fetching: Promise<void> | undefined;

  constructor(options: JwksOptions) {
    this.#options = options;
  }

  find(
    algorithm: VerificationKey['algorithm'],
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    const known = this.#current();
    const found = matchingKeys(known ?? [], algorithm, kid);
    if (found.length > 0) return found;
    const fetching = this.#fetch();
    if (fetching === undefined) return this.#keysOrUnavailable(algorithm, kid);
    return fetching.then(() => this.#keysOrUnavailable(algorithm, kid));
  }

  trusts(key: VerificationKey): boolean {
    return !key.isRetired && this.#current() !== undefined;
  }

  /** Fetches the keys, if they are due: whoever was let in by one that has been withdrawn may never ask again. */
  refresh(): void {
    if (this.#age(this.#lastFetchedMs) >= this.#options.refreshMs) void this.#fetch();
  }

  /** How long ago the keys were had last; `Infinity` if they never were. */
  get ageMs(): number {
    return this.#age(this.#lastFetchedMs);
  }

  /** The keys, as long as their issuer has vouched for them lately. */
  #current(): readonly VerificationKey[] | undefined {
    return this.#age(this.#lastFetchedMs) < this.#options.keptMs ? this.#keys : undefined;
  }

  #keysOrUnavailable(algorithm: VerificationKey['algorithm'], kid: string | undefined): readonly VerificationKey[] {
    const known = this.#current();
    const found = matchingKeys(known ?? [], algorithm, kid);
    // The key may be a new one that could not be had.
    if (found.length === 0 && (this.#hasFailed || known === undefined)) throw this.#unavailable();
    return found;
  }

  #unavailable(): PolycastError {
    const retryAfterMs = Math.max(1000, this.#options.cooldownMs - this.#age(this.#lastAttemptMs));
    return new PolycastError('identity_unavailable', "The keys of the token's issuer cannot be had now.", {
      retryAfterMs,
    });
  }

  /** The fetch that is under way or now begins; `undefined` if the last one is too short a while ago. */
  #fetch(): Promise<void> | undefined {
    if (this.#fetching !== undefined) return this.#fetching;
    if (this.#age(this.#lastAttemptMs) < this.#options.cooldownMs) return undefined;
    this.#lastAttemptMs = this.#options.clock.monotonicMs();
    this.#fetching = this.#fetchOnce().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetchOnce(): Promise<void> {
    const { url, location, algorithms, fetchDocument, timeoutMs, clock, logger } = this.#options;
    try {
      const jwksUrl = location === undefined ? url : await location.find();
      const keys = keysInSet(await fetchDocument(jwksUrl, { timeoutMs, bytesMax: JWKS_BYTES_MAX }), algorithms);
      this.#replace(keys);
      this.#lastFetchedMs = clock.monotonicMs();
      this.stats.fetched++;
      if (this.#hasFailed) logger.info({ url, keys: keys.length }, "an issuer's keys can be had again");
      this.#hasFailed = false;
      if (keys.length === 0) logger.warn({ url }, "none of an issuer's keys can be used");
    } catch (error) {
      location?.forget();
      this.#hasFailed = true;
      this.stats.failed++;
      logger.warn({ url, error: (error as Error).message }, "an issuer's keys cannot be had");
    }
  }

  /** A key that is still there stays the one it was: what was verified with it is known further on. */
  #replace(keys: readonly VerificationKey[]): void {
    const before = this.#keys ?? [];
    this.#keys = keys.map((key) => before.find((other) => isSame(key, other)) ?? key);
    const withdrawn = before.filter((key) => !keys.some((other) => isSame(key, other)));
    for (const key of withdrawn) key.isRetired = true;
    // All of them first: who is shown out by one must not come back by another.
    for (const key of withdrawn) {
      this.#options.logger.info({ url: this.#options.url, kid: key.kid }, 'an issuer has withdrawn a key');
      this.#options.onKeyWithdrawn(key);
    }
  }

  #age(sinceMs: number): number {
    return this.#options.clock.monotonicMs() - sinceMs;
  }
}

function isSame(one: VerificationKey, other: VerificationKey): boolean {
  return one.kid === other.kid && one.algorithm === other.algorithm && one.key.equals(other.key);
}
