import { readFileSync } from 'node:fs';
import type { TokenIssuerSettings, TokenKeySettings, TokenSettings } from '../../core/access/identity-settings.ts';
import type { Clock } from '../../core/ports.ts';
import type { Signer } from '../../core/access/principal.ts';
import type { Identifier } from '../authority.ts';
import { Discovery } from './discovery.ts';
import { JwksSource, type FetchDocument, type JwksOptions } from './jwks-source.ts';
import { staticKeySource, createVerificationKey, type KeySource, type VerificationKey } from './verification-keys.ts';
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

/** A configured key cannot be used. `path` is its place in the configuration. */
export class TokenKeyError extends Error {
  override readonly name = 'TokenKeyError';
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** Identifies the site's users by the tokens of the configured issuers. */
export interface Tokens {
  /** Empty without a configured issuer. */
  readonly identifiers: readonly Identifier[];
  /** Sets the one listener for keys that their issuer no longer publishes. */
  onWithdrawn(listener: (signer: Signer) => void): void;
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
 * Creates the token identifier of the configured issuers. Published keys are fetched at once.
 * @throws TokenKeyError
 */
export function createTokens(settings: VerificationSettings, parts: TokenParts): Tokens {
  const sources: { readonly issuer: string; readonly source: JwksSource }[] = [];
  const stats: TokenStats = { verified: 0, remembered: 0, refused: 0 };
  let withdrawnListener: (signer: Signer) => void = () => undefined;
  const keysOf = (issuer: TokenIssuerSettings, path: string): KeySource => {
    const { jwksUrl, algorithms, keys } = issuer;
    if (keys !== undefined) return staticKeySource(configuredKeys(issuer, path, parts.environment));
    // The configuration requires one of the two.
    const url = jwksUrl ?? (issuer.issuer as string);
    const location = jwksUrl === undefined ? createDiscovery(url, settings, parts) : undefined;
    const source = createJwksSource(url, algorithms, settings, {
      ...parts,
      location,
      onKeyWithdrawn: (key) => withdrawnListener(key),
    });
    source.refresh();
    sources.push({ issuer: issuer.issuer ?? new URL(url).host, source });
    return source;
  };
  const issuers = settings.tokens.map((issuer, index): TokenIssuer => ({
    issuer: issuer.issuer,
    audiences: issuer.audience ?? [],
    userClaim: issuer.userClaim,
    leewayMs: issuer.leewaySeconds * 1000,
    lifetimeMaxMs: issuer.lifetimeMaxSeconds * 1000,
    keys: keysOf(issuer, `identity.tokens.${index}`),
  }));
  const { clock } = parts;
  return {
    identifiers:
      issuers.length === 0
        ? []
        : [createTokenIdentifier({ issuers, clock, cachedMax: settings.tokensCachedMax, stats })],
    onWithdrawn: (listener) => (withdrawnListener = listener),
    maintain() {
      for (const { source } of sources) source.refresh();
    },
    stats,
    get issuers() {
      return sources.map(({ issuer, source }) => ({ issuer, ...source.stats, ageMs: source.ageMs }));
    },
  };
}

/**
 * Returns all keys in the configuration.
 * @throws TokenKeyError for the first key that cannot be used
 */
export function configuredKeys(
  { keys = [] }: TokenIssuerSettings,
  path: string,
  environment: TokenParts['environment'],
): readonly VerificationKey[] {
  return keys.map((key, index) => {
    const place = `${path}.keys.${index}`;
    const [name, material] = materialOf(key, place, environment);
    try {
      return createVerificationKey(key.algorithm, key.kid, material);
    } catch (error) {
      throw new TokenKeyError(`${place}.${name}`, `cannot be used: ${(error as Error).message}`);
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

/** Returns the name of the setting that has the key, and the key's text. */
function materialOf(
  key: TokenKeySettings,
  place: string,
  environment: TokenParts['environment'],
): readonly [name: string, material: string | JsonObject] {
  const kind = key.algorithm === 'HS256' ? 'secret' : 'publicKey';
  const inline = key[kind];
  if (inline !== undefined) return [kind, inline];
  const variable = key[`${kind}Environment`];
  if (variable !== undefined) {
    const text = environment[variable];
    if (text === undefined)
      throw new TokenKeyError(`${place}.${kind}Environment`, `the variable ${variable} is not set`);
    return [`${kind}Environment`, text];
  }
  const file = key[`${kind}File`] as string;
  try {
    // Editors end files with a line break. It is not part of a secret.
    return [`${kind}File`, readFileSync(file, 'utf8').replace(/\r?\n$/, '')];
  } catch (error) {
    throw new TokenKeyError(`${place}.${kind}File`, `cannot be read: ${(error as Error).message}`);
  }
}
