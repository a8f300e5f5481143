/** The HMAC of `X-Hub-Signature`. */
export type HubAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** What holds for the WebSub hub: `websub` in the configuration, where each has its unit, bounds, default and reason. */
export interface WebSubSettings {
  readonly enabled: boolean;
  readonly subscriptionsMax: number;
  readonly subscriptionsPerHostMax: number;
  readonly subscriptionsPerClientMax: number;
  readonly leaseSeconds: number;
  readonly leaseMinSeconds: number;
  readonly leaseMaxSeconds: number;
  readonly algorithm: Exclude<HubAlgorithm, 'sha1'>;
  /** What foreign topics' URLs begin with. */
  readonly topics: readonly string[];
  readonly fetchIntervalSeconds: number;
}
