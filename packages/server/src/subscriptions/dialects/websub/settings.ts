/** The HMAC algorithm of `X-Hub-Signature`. */
export const HUB_ALGORITHMS = ['sha1', 'sha256', 'sha384', 'sha512'] as const;
export type HubAlgorithm = (typeof HUB_ALGORITHMS)[number];

/**
 * The settings `websub` of the configuration. Units, bounds, defaults and reasons are defined
 * there.
 */
export interface WebSubSettings {
  readonly enabled: boolean;
  readonly subscriptionsMax: number;
  readonly subscriptionsPerHostMax: number;
  readonly subscriptionsPerClientMax: number;
  readonly leaseSeconds: number;
  readonly leaseMinSeconds: number;
  readonly leaseMaxSeconds: number;
  readonly algorithm: Exclude<HubAlgorithm, 'sha1'>;
  /** The URL prefixes of external topics. */
  readonly topics: readonly string[];
  readonly fetchIntervalSeconds: number;
}
