/**
 * The settings for the identification of clients, complete and checked. `config/settings` has their
 * units, bounds, defaults and reasons.
 */
export interface IdentitySettings extends IdentityStoreSettings, TokenSettings {
  readonly expiringSeconds: number;
  readonly resumeSeconds: number;
  readonly site: SiteSettings;
}

/** The bounds of the hub's own identity data: keys, revocations, the audit log. */
export interface IdentityStoreSettings {
  readonly keysMax: number;
  readonly revocationsKeptSeconds: number;
  readonly revocationsMax: number;
  readonly auditEntriesMax: number;
}

/**
 * The site's own login (PROTOCOL.md section 13.3). Without `loginUrl` the hub does not ask the site
 * for the user. Without `consentUrl` it does not ask for the user's permissions.
 */
export interface SiteSettings {
  readonly loginUrl: string | null;
  readonly consentUrl: string | null;
  readonly cookies: readonly string[];
  readonly headers: readonly string[];
  readonly perAddress: boolean;
  readonly secret: string | null;
  readonly timeoutMs: number;
  readonly concurrentMax: number;
  readonly queueMax: number;
  readonly queueBytesMax: number;
  readonly queueTimeoutMs: number;
  readonly cacheEntriesMax: number;
  readonly ttlSecondsMax: number;
  readonly consentSecondsMin: number;
  readonly refusalSeconds: number;
  readonly graceSeconds: number;
  readonly failuresMax: number;
  readonly retryAfterSeconds: number;
}

/** Signed tokens (PROTOCOL.md section 13.2). */
export interface TokenSettings {
  readonly tokens: readonly TokenIssuerSettings[];
  readonly tokenCookie: string | null;
  readonly tokensCachedMax: number;
  readonly jwksRefreshSeconds: number;
  readonly jwksKeptSeconds: number;
  readonly jwksCooldownSeconds: number;
  readonly jwksTimeoutMs: number;
}

/**
 * With either `keys` or `jwksUrl`. With neither, `issuer` is a URL below which a document gives the
 * place of the keys.
 */
export interface TokenIssuerSettings {
  readonly issuer?: string | undefined;
  readonly audience?: readonly string[] | undefined;
  readonly userClaim: string;
  readonly leewaySeconds: number;
  readonly lifetimeMaxSeconds: number;
  readonly keys?: readonly TokenKeySettings[] | undefined;
  readonly jwksUrl?: string | undefined;
  readonly algorithms?: readonly PublicAlgorithm[] | undefined;
}

/** With one of `secret…` for HS256, or one of `publicKey…` for the others. */
export interface TokenKeySettings {
  readonly algorithm: TokenAlgorithm;
  readonly kid?: string | undefined;
  readonly secret?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly secretEnvironment?: string | undefined;
  /** PEM, or a JWK. */
  readonly publicKey?: string | Readonly<Record<string, unknown>> | undefined;
  readonly publicKeyFile?: string | undefined;
  readonly publicKeyEnvironment?: string | undefined;
}

export type TokenAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** The algorithms of published keys. A published key cannot be a secret, so HS256 is excluded. */
export type PublicAlgorithm = Exclude<TokenAlgorithm, 'HS256'>;
