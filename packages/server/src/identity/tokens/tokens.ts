import { isDeepStrictEqual } from 'node:util';
import type { TokenIssuerSettings, TokenKeySettings, TokenSettings } from '../../core/access/identity-settings.ts';
import type { Clock } from '../../core/ports.ts';
import type { Signer } from '../../core/access/principal.ts';
import type { Identifier } from '../authority.ts';
import { ConfiguredKeyError, readConfiguredKey, type ConfiguredKey } from '../configured-key.ts';
import { Discovery } from './discovery.ts';
import { JwksSource, type FetchDocument, type JwksOptions } from './jwks-source.ts';
import {
  createVerificationKey,
  isSameKey,
  staticKeySource,
  type KeySource,
  type VerificationKey,
} from './verification-keys.ts';
import type { JsonObject } from './strict-json.ts';
import { createTokenIdentifier, type TokenStats, type TokenIssuer } from './token-identifier.ts';

/** Without `tokenCookie`, which concerns the code that reads requests. */
type VerificationSettings = Omit<TokenSettings, 'tokenCookie'>;

export interface TokenParts {
  readonly clock: Clock;
  readonly fetchDocument: FetchDocument;
  readonly logger: JwksOptions['logger'];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Identifies the site's users by the tokens of the configured issuers. */
export interface Tokens {
  /** Empty without a configured issuer. */
  readonly identifiers: readonly Identifier[];
  /** Sets the one listener for keys that their issuer no longer publishes. */
  onWithdrawn(listener: (signer: Signer) => void): void;
  /**
   * Reads the keys of a new configuration. The returned function uses them, retires those that are
   * missing, and says whether any key changed.
   * @throws ConfiguredKeyError: nothing has changed
   */
  prepare(tokens: readonly TokenIssuerSettings[]): () => boolean;
  /** Fetches published keys that are due. Called about once a second. */
  maintain(): void;
  readonly stats: Readonly<TokenStats>;
  /** The issuers with published keys, by their name, or by their host. */
  readonly issuers: readonly IssuerStats[];
}

export interface IssuerStats {
  readonly issuer: string;
  readonly fetched: number;
  readonly failed: number;
  /** The time since the last successful fetch; `Infinity` before the first. */
  readonly ageMs: number;
}

/**
 * Creates the token identifier of the configured issuers. Published keys are fetched immediately.
 * @throws ConfiguredKeyError
 */
export function createTokens(settings: VerificationSettings, parts: TokenParts): Tokens {
  const stats: TokenStats = { verified: 0, remembered: 0, refused: 0 };
  let withdrawnListener: (signer: Signer) => void = () => undefined;
  const opening = { settings, parts, stats, onKeyWithdrawn: (key: VerificationKey) => withdrawnListener(key) };
  let current = openIssuers(settings.tokens, [], opening);
  return {
    identifiers: [{ identify: (credentials) => current.identifier?.identify(credentials) }],
    onWithdrawn: (listener) => (withdrawnListener = listener),
    prepare(tokens) {
      const next = openIssuers(tokens, current.issuers, opening);
      return () => {
        const before = current;
        current = next;
        return retireMissing(keysOf(before), keysOf(next), withdrawnListener);
      };
    },
    maintain() {
      for (const { source } of current.issuers) if (source instanceof JwksSource) source.refresh();
    },
    stats,
    get issuers() {
      return current.issuers.flatMap(({ settings: { issuer, jwksUrl }, source }) =>
        source instanceof JwksSource
          ? [{ issuer: issuer ?? new URL(jwksUrl as string).host, ...source.stats, ageMs: source.ageMs }]
          : [],
      );
    },
  };
}

/** An issuer with the source of its keys. */
interface OpenIssuer {
  readonly settings: TokenIssuerSettings;
  readonly source: KeySource;
}

interface OpenIssuers {
  readonly issuers: readonly OpenIssuer[];
  /** `undefined` without an issuer. */
  readonly identifier: Identifier | undefined;
}

interface IssuerOpening {
  readonly settings: VerificationSettings;
  readonly parts: TokenParts;
  readonly stats: TokenStats;
  readonly onKeyWithdrawn: (key: VerificationKey) => void;
}

/**
 * Opens the issuers of a configuration. An issuer that differs from before only by its keys keeps
 * the keys that both have, so their sessions stay.
 * @throws ConfiguredKeyError
 */
function openIssuers(
  tokens: readonly TokenIssuerSettings[],
  before: readonly OpenIssuer[],
  { settings, parts, stats, onKeyWithdrawn }: IssuerOpening,
): OpenIssuers {
  const issuers = tokens.map((issuer, index): OpenIssuer => {
    const old = before.find((other) => isDeepStrictEqual(withoutKeys(other.settings), withoutKeys(issuer)))?.source;
    if (issuer.keys !== undefined) {
      const keys = configuredKeys(issuer, `identity.tokens.${index}`, parts.environment);
      return { settings: issuer, source: staticKeySource(keys.map((key) => sameKeyIn(old?.keys, key) ?? key)) };
    }
    if (old instanceof JwksSource) return { settings: issuer, source: old };
    // The configuration requires one of the two.
    const url = issuer.jwksUrl ?? (issuer.issuer as string);
    const location = issuer.jwksUrl === undefined ? createDiscovery(url, settings, parts) : undefined;
    const source = createJwksSource(url, issuer.algorithms, settings, { ...parts, location, onKeyWithdrawn });
    source.refresh();
    return { settings: issuer, source };
  });
  const { clock } = parts;
  const identifier =
    issuers.length === 0
      ? undefined
      : createTokenIdentifier({
          issuers: issuers.map(tokenIssuer),
          clock,
          cachedMax: settings.tokensCachedMax,
          stats,
        });
  return { issuers, identifier };
}

function tokenIssuer({ settings, source }: OpenIssuer): TokenIssuer {
  return {
    issuer: settings.issuer,
    audiences: settings.audience ?? [],
    userClaim: settings.userClaim,
    leewayMs: settings.leewaySeconds * 1000,
    lifetimeMaxMs: settings.lifetimeMaxSeconds * 1000,
    keys: source,
  };
}

function withoutKeys({ keys: _keys, ...others }: TokenIssuerSettings): object {
  return others;
}

function sameKeyIn(keys: readonly VerificationKey[] = [], key: VerificationKey): VerificationKey | undefined {
  return keys.find((other) => !other.isRetired && isSameKey(other, key));
}

function keysOf({ issuers }: OpenIssuers): readonly VerificationKey[] {
  return issuers.flatMap(({ source }) => source.keys);
}

/**
 * Retires the keys that are no longer configured: their tokens are refused, and their sessions end.
 * @returns whether any key was added or retired
 */
function retireMissing(
  before: readonly VerificationKey[],
  after: readonly VerificationKey[],
  onWithdrawn: (key: VerificationKey) => void,
): boolean {
  const missing = before.filter((key) => !after.includes(key));
  // Retire all keys before the first listener call, as for published keys.
  for (const key of missing) key.isRetired = true;
  for (const key of missing) onWithdrawn(key);
  return missing.length > 0 || after.some((key) => !before.includes(key));
}

/**
 * Returns all keys in the configuration.
 * @throws ConfiguredKeyError for the first key that cannot be used
 */
export function configuredKeys(
  { keys = [] }: TokenIssuerSettings,
  path: string,
  environment: TokenParts['environment'],
): readonly VerificationKey[] {
  return keys.map((key, index) => {
    const place = `${path}.keys.${index}`;
    const [name, material] = readConfiguredKey(configuredKey(key), place, environment);
    try {
      return createVerificationKey(key.algorithm, key.kid, material);
    } catch (error) {
      throw new ConfiguredKeyError(`${place}.${name}`, `cannot be used: ${(error as Error).message}`);
    }
  });
}

function createJwksSource(
  url: string,
  algorithms: JwksOptions['algorithms'] = ['RS256', 'ES256', 'EdDSA'],
  settings: VerificationSettings,
  parts: TokenParts & Pick<JwksOptions, 'onKeyWithdrawn' | 'location'>,
): JwksSource {
  return new JwksSource({
    url,
    algorithms,
    refreshMs: settings.jwksRefreshSeconds * 1000,
    keptMs: settings.jwksKeptSeconds * 1000,
    cooldownMs: settings.jwksCooldownSeconds * 1000,
    timeoutMs: settings.jwksTimeoutMs,
    ...parts,
  });
}

function createDiscovery(issuer: string, { jwksTimeoutMs }: VerificationSettings, parts: TokenParts): Discovery {
  const { fetchDocument, clock } = parts;
  return new Discovery({ issuer, timeoutMs: jwksTimeoutMs, fetchDocument, clock });
}

function configuredKey(key: TokenKeySettings): ConfiguredKey<string | JsonObject> {
  return key.algorithm === 'HS256'
    ? { setting: 'secret', inline: key.secret, file: key.secretFile, variable: key.secretEnvironment }
    : { setting: 'publicKey', inline: key.publicKey, file: key.publicKeyFile, variable: key.publicKeyEnvironment };
}
