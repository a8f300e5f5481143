/** Who asks: how the hub finds it out. What each field means stands in `identity-table.ts`. */
export interface IdentityConfig extends StandingConfig, TokensConfig {
  readonly expiringSeconds: number;
  readonly resumeSeconds: number;
  readonly site: SiteConfig;
}

/** What the hub itself keeps of who may use it: keys, revocations, the audit log. */
export interface StandingConfig {
  readonly keysMax: number;
  readonly revocationsKeptSeconds: number;
  readonly revocationsMax: number;
  readonly auditEntriesMax: number;
}

/** The site's own login (PROTOCOL.md section 13.3). Without `loginUrl` it is not asked who somebody is, without `consentUrl` not what they may do. */
export interface SiteConfig {
  readonly loginUrl: string | null;
  readonly consentUrl: string | null;
  readonly cookies: readonly string[];
  readonly headers: readonly string[];
  readonly perAddress: boolean;
  readonly secret: string | null;
  readonly timeoutMs: number;
  readonly concurrentMax: number;
  readonly queueMax: number;
  readonly queueTimeoutMs: number;
  readonly cacheEntriesMax: number;
  readonly ttlSecondsMax: number;
  readonly refusalSeconds: number;
  readonly graceSeconds: number;
  readonly failuresMax: number;
  readonly retryAfterSeconds: number;
}

/** Signed tokens (PROTOCOL.md section 13.2). What each field means stands in `token-table.ts`. */
export interface TokensConfig {
  readonly tokens: readonly TokenIssuerConfig[];
  readonly tokenCookie: string | null;
  readonly tokensCachedMax: number;
  readonly jwksRefreshSeconds: number;
  readonly jwksKeptSeconds: number;
  readonly jwksCooldownSeconds: number;
  readonly jwksTimeoutMs: number;
}

/** With either `keys` or `jwksUrl`. */
export interface TokenIssuerConfig {
  readonly issuer?: string | undefined;
  readonly audience?: readonly string[] | undefined;
  readonly userClaim: string;
  readonly leewaySeconds: number;
  readonly lifetimeMaxSeconds: number;
  readonly keys?: readonly TokenKeyConfig[] | undefined;
  readonly jwksUrl?: string | undefined;
  readonly algorithms?: readonly ('RS256' | 'ES256' | 'EdDSA')[] | undefined;
}

/** With one of `secret…` for HS256, and of `publicKey…` for the others. */
export interface TokenKeyConfig {
  readonly algorithm: 'HS256' | 'RS256' | 'ES256' | 'EdDSA';
  readonly kid?: string | undefined;
  readonly secret?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly secretEnvironment?: string | undefined;
  /** PEM, or a JWK. */
  readonly publicKey?: string | Readonly<Record<string, unknown>> | undefined;
  readonly publicKeyFile?: string | undefined;
  readonly publicKeyEnvironment?: string | undefined;
}
