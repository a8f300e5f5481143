/** Who asks: how the hub finds it out. What each field means stands in `identity-table.ts`. */
export interface IdentityConfig extends StandingConfig {
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
