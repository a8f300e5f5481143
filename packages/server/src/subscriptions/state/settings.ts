/**
 * Settings of all durable subscriptions of a hub: `subscriptions` in the configuration, which has
 * the unit, bounds, default and reason of each.
 */
export interface SubscriptionSettings {
  readonly subscriptionsMax: number;
  /** Of one `owner`. */
  readonly subscriptionsPerOwnerMax: number;
  /** Origins, as in `allowedOrigins`: `https://hooks.example`, `https://*.corp.example`, `*`. */
  readonly trustedEndpoints: readonly string[];
  /** Concurrent requests of one webhook: the default, and the most that it may ask for. */
  readonly concurrency: number;
  readonly concurrencyMax: number;
  /** Concurrent requests of all webhooks. `outgoing` limits the connections. */
  readonly requestsMax: number;
  readonly timeoutMs: number;
  readonly timeoutMaxMs: number;
  /** Delays between attempts. */
  readonly retryDelaysSeconds: readonly number[];
  readonly failingNoticeSeconds: number;
  readonly suspendAfterSeconds: number;
  readonly probeSeconds: number;
  /** Open events of one subscription: in flight, waiting for their next attempt, or leased. */
  readonly openEventsMax: number;
  readonly leaseSeconds: number;
  readonly leaseMaxSeconds: number;
  readonly deliveriesMax: number;
  /** Stored attempts of each subscription, and of all together. */
  readonly attemptsKept: number;
  readonly attemptsKeptMax: number;
  readonly deadLettersKept: number;
  /** Subscriptions whose lag is a metric of their own. */
  readonly lagSeriesMax: number;
}
