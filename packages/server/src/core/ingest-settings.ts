/**
 * An ingest source is a provider of webhooks that publishes through the hub. Example: GitHub posts
 * to `/v1/ingest/github`. The hub verifies its signature and publishes the body to `github.events`.
 */
export interface IngestSourceSettings {
  /** Its name in the path. */
  readonly source: string;
  readonly provider: IngestProvider;
  /** The channel of its events. */
  readonly channel: string;
  /** A signature by any of them is valid, so that a secret can be changed. */
  readonly keys: readonly IngestKeySettings[];
  /** The tolerated difference between the time of a signature and the hub's clock. */
  readonly toleranceSeconds: number;
}

/**
 * The id of a delivery is known for 24 hours, by the clock of the hub that published it. A
 * signature that is still tolerated must not be older than that, by the clock of any hub. So an
 * hour is left for clocks that differ.
 */
export const INGEST_TOLERANCE_SECONDS_MAX = 82_800;

/** The providers whose signatures the hub verifies. */
export const INGEST_PROVIDERS = ['stripe', 'github', 'shopify', 'standard'] as const;
export type IngestProvider = (typeof INGEST_PROVIDERS)[number];

/** With exactly one of them. */
export interface IngestKeySettings {
  readonly secret?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly secretEnvironment?: string | undefined;
}
