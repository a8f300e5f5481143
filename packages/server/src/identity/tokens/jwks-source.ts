import { PolycastError } from '@polycast/protocol';
import type { PublicAlgorithm } from '../../core/access/identity-settings.ts';
import { JWKS_BYTES_MAX, keysInSet } from './jwks.ts';
import { isSameKey, matchingKeys, type KeySource, type VerificationKey } from './verification-keys.ts';

/**
 * Fetches a document from a URL, through the guard on outgoing requests. Rejects with an Error that
 * describes the problem.
 */
export type FetchDocument = (
  url: string,
  bounds: { readonly timeoutMs: number; readonly bytesMax: number },
) => Promise<Buffer>;

export interface JwksSettings {
  /** The time after which the keys are fetched again. */
  readonly refreshMs: number;
  /** How long the keys stay trusted while fetches fail. */
  readonly keptMs: number;
  /** The shortest time between the starts of two fetches. */
  readonly cooldownMs: number;
  readonly timeoutMs: number;
}

/** Finds the URL of an issuer's keys, for example by OpenID Connect Discovery. */
export interface KeysLocation {
  /** Rejects with an Error that describes the problem. */
  find(): Promise<string>;
  /** Drops the found URL, after a fetch from it failed. */
  forget(): void;
}

export interface JwksOptions extends JwksSettings {
  /** The URL of the keys; with `location`, the issuer's URL. */
  readonly url: string;
  readonly location?: KeysLocation | undefined;
  readonly algorithms: readonly PublicAlgorithm[];
  readonly fetchDocument: FetchDocument;
  readonly clock: { monotonicMs(): number };
  /** Called for each key that its issuer no longer publishes. */
  readonly onKeyWithdrawn: (key: VerificationKey) => void;
  readonly logger: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
}

/**
 * The source of an issuer's published keys: a JWK Set behind a URL.
 *
 * The keys are fetched at the start, in the background after each `refreshMs`, and when a token
 * needs an unknown key. At most one fetch is in flight, and all callers share it. After a failed
 * fetch the earlier keys remain.
 */
export class JwksSource implements KeySource {
  /** The numbers of successful and of failed fetches. */
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

  get keys(): readonly VerificationKey[] {
    return this.#keys ?? [];
  }

  trusts(key: VerificationKey): boolean {
    return !key.isRetired && this.#current() !== undefined;
  }

  /**
   * Fetches the keys, if they are due. A session with a withdrawn key may never ask for keys again,
   * so a timer must.
   */
  refresh(): void {
    if (this.#age(this.#lastFetchedMs) >= this.#options.refreshMs) void this.#fetch();
  }

  /** The time since the last successful fetch; `Infinity` before the first. */
  get ageMs(): number {
    return this.#age(this.#lastFetchedMs);
  }

  /** Returns the keys, if the last successful fetch is not older than `keptMs`. */
  #current(): readonly VerificationKey[] | undefined {
    return this.#age(this.#lastFetchedMs) < this.#options.keptMs ? this.#keys : undefined;
  }

  #keysOrUnavailable(algorithm: VerificationKey['algorithm'], kid: string | undefined): readonly VerificationKey[] {
    const known = this.#current();
    const found = matchingKeys(known ?? [], algorithm, kid);
    // The token's key may be a new one that the hub could not fetch.
    if (found.length === 0 && (this.#hasFailed || known === undefined)) throw this.#unavailable();
    return found;
  }

  #unavailable(): PolycastError {
    const retryAfterMs = Math.max(1000, this.#options.cooldownMs - this.#age(this.#lastAttemptMs));
    return new PolycastError(
      'identity_unavailable',
      "The keys of the token's issuer are not available at the moment.",
      {
        retryAfterMs,
      },
    );
  }

  /**
   * Returns the fetch in flight, or starts one. Returns `undefined` during `cooldownMs` after the
   * last start.
   */
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
      if (this.#hasFailed) logger.info({ url, keys: keys.length }, 'token keys: fetch succeeds again');
      this.#hasFailed = false;
      if (keys.length === 0) logger.warn({ url }, "token keys: no usable key in the issuer's key set");
    } catch (error) {
      location?.forget();
      this.#hasFailed = true;
      this.stats.failed++;
      logger.warn(
        { url, error: (error as Error).message },
        'token keys: fetch failed, the last fetched keys stay in use',
      );
    }
  }

  /**
   * Replaces the keys. A key that is still published stays the same object, so tokens that it
   * verified stay in the cache.
   */
  #replace(keys: readonly VerificationKey[]): void {
    const before = this.#keys ?? [];
    this.#keys = keys.map((key) => before.find((other) => isSameKey(key, other)) ?? key);
    const withdrawn = before.filter((key) => !keys.some((other) => isSameKey(key, other)));
    for (const key of withdrawn) key.isRetired = true;
    // Retire all keys before the first listener call. A client must not reconnect with another
    // withdrawn key after its session ended.
    for (const key of withdrawn) {
      this.#options.logger.info(
        { url: this.#options.url, kid: key.kid },
        'token keys: the issuer has withdrawn a key, its tokens are refused',
      );
      this.#options.onKeyWithdrawn(key);
    }
  }

  #age(sinceMs: number): number {
    return this.#options.clock.monotonicMs() - sinceMs;
  }
}
