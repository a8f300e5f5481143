/**
 * Who asks, and how the hub finds it out: what may be configured, as it is once it is complete and checked. Units, bounds, defaults
 * and reasons stand in the configuration's tables.
 */
export interface IdentitySettings extends IdentityStoreSettings, TokenSettings {
  readonly expiringSeconds: number;
  readonly resumeSeconds: number;
  readonly site: SiteSettings;
}

/** What the hub itself keeps of who may use it: keys, revocations, the audit log. */
export interface IdentityStoreSettings {
  readonly keysMax: number;
  readonly revocationsKeptSeconds: number;
  readonly revocationsMax: number;
  readonly auditEntriesMax: number;
}

/** The site's own login (PROTOCOL.md section 13.3). Without `loginUrl` it is not asked who somebody is, without `consentUrl` not what they may do. */
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

/** With either `keys` or `jwksUrl`; with neither, `issuer` is a URL below which it says where its keys are. */
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

/** With one of `secret…` for HS256, and of `publicKey…` for the others. */
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

/** The algorithms of keys that are published: what anybody can read is no secret. */
export type PublicAlgorithm = Exclude<TokenAlgorithm, 'HS256'>;
