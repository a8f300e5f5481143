/** Who asks: how the hub finds it out. What each field means stands in `identity-table.ts`. */
export interface IdentityConfig {
  readonly site: SiteConfig;
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
