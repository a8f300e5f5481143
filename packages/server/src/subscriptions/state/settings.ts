/**
 * What holds for all durable subscriptions of a hub: `subscriptions` in the configuration, where each has its unit, bounds, default
 * and reason.
 */
export interface SubscriptionSettings {
  readonly subscriptionsMax: number;
  /** Origins, as in `allowedOrigins`: `https://hooks.example`, `https://*.corp.example`, `*`. */
  readonly trustedEndpoints: readonly string[];
  /** Requests of one webhook at once, unless it says otherwise, and the most that it may say. */
  readonly concurrency: number;
  readonly concurrencyMax: number;
  /** Requests of all webhooks at once; how many connections they may have stands in `outgoing`. */
  readonly requestsMax: number;
  readonly timeoutMs: number;
  readonly timeoutMaxMs: number;
  /** From one attempt to the next. */
  readonly retryDelaysSeconds: readonly number[];
  readonly failingNoticeSeconds: number;
  readonly suspendAfterSeconds: number;
  readonly probeSeconds: number;
  /** Events of one subscription that are under way, wait for their next attempt, or are leased. */
  readonly openEventsMax: number;
  readonly leaseSeconds: number;
  readonly leaseMaxSeconds: number;
  readonly deliveriesMax: number;
  /** Kept of each subscription, and of all together. */
  readonly attemptsKept: number;
  readonly attemptsKeptMax: number;
  readonly deadLettersKept: number;
}
