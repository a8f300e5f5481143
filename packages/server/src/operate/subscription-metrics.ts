import { counter, gauge, type MetricDefinition, type MetricValues } from './metric-definition.ts';
import { storageMetrics, SUBSCRIPTION_STORE_STATS } from './storage-metrics.ts';

/** How far durable subscriptions are behind. */
export interface SubscriptionLagStats {
  /** By state: the number of subscriptions, and the greatest lag among them. */
  readonly states: Readonly<
    Record<string, { readonly count: number; readonly lagEventsMax: number; readonly lagMsMax: number }>
  >;
  /** Of a bounded number of subscriptions; `others` stands for the rest. */
  readonly lags: readonly { readonly subscription: string; readonly events: number; readonly ms: number }[];
}

/** What durable subscriptions count. */
export interface SubscriptionStats {
  readonly webhooks: {
    /** Requests by outcome. */
    readonly outcomes: Readonly<Record<string, number>>;
    /** Events delivered, and requests after the first one of an event. */
    readonly events: number;
    readonly retries: number;
    readonly inFlight: number;
    /** The current connections; `waiting` are requests that wait for one. */
    readonly connections: { readonly open: number; readonly idle: number; readonly waiting: number };
  };
  readonly pulls: {
    readonly leased: number;
    readonly redelivered: number;
    readonly acknowledged: number;
    readonly released: number;
    readonly leasesOver: number;
  };
  /** Dead letters since the hub started. */
  readonly deadLetters: number;
  readonly store: Readonly<Record<string, number>>;
}

/** The metrics of subscriptions, by their published names. */
export function subscriptionMetrics(
  read: () => SubscriptionStats,
  readLag: () => Promise<SubscriptionLagStats>,
): readonly MetricDefinition[] {
  return [
    ...lagMetrics(readLag),
    ...webhookMetrics(read),
    ...pullMetrics(read),
    counter('polycast_dead_letters_total', 'Events that became dead letters.', () => read().deadLetters),
    ...storageMetrics(SUBSCRIPTION_STORE_STATS, () => read().store),
  ];
}

function lagMetrics(read: () => Promise<SubscriptionLagStats>): readonly MetricDefinition[] {
  const byState =
    (field: 'count' | 'lagEventsMax' | 'lagMsMax', factor = 1) =>
    async (): Promise<MetricValues> =>
      Object.fromEntries(Object.entries((await read()).states).map(([state, stats]) => [state, stats[field] * factor]));
  return [
    {
      name: 'polycast_subscriptions',
      help: 'Durable subscriptions, by state.',
      kind: 'gauge',
      label: 'state',
      read: byState('count'),
    },
    {
      name: 'polycast_subscription_max_lag_events',
      help: 'Lag of the subscription that is farthest behind, in events, by state. It includes events in flight, failing, waiting, and matching events not yet read.',
      kind: 'gauge',
      label: 'state',
      read: byState('lagEventsMax'),
    },
    {
      name: 'polycast_subscription_max_lag_seconds',
      help: 'Age of the oldest undelivered event, as far as it is known, by state.',
      kind: 'gauge',
      label: 'state',
      read: byState('lagMsMax', 0.001),
    },
    {
      name: 'polycast_subscription_lag_events',
      help: 'Lag in events, by subscription: at most `subscriptions.lagSeriesMax` of them, those that are late first. `others` is the greatest lag of the rest.',
      kind: 'gauge',
      label: 'subscription',
      read: async () =>
        Object.fromEntries((await read()).lags.map(({ subscription, events }) => [subscription, events])),
    },
    {
      name: 'polycast_subscription_lag_seconds',
      help: 'Age of the oldest undelivered event, by subscription, as `polycast_subscription_lag_events`.',
      kind: 'gauge',
      label: 'subscription',
      read: async () =>
        Object.fromEntries((await read()).lags.map(({ subscription, ms }) => [subscription, ms / 1000])),
    },
  ];
}

function pullMetrics(read: () => SubscriptionStats): readonly MetricDefinition[] {
  return [
    counter(
      'polycast_pull_leases_total',
      'Events leased to workers of pull subscriptions, first and repeated leases.',
      () => read().pulls.leased,
    ),
    counter('polycast_pull_redeliveries_total', 'Events leased again.', () => read().pulls.redelivered),
    {
      name: 'polycast_pull_lease_ends_total',
      help: 'Ended leases: acknowledged, released by the worker, or expired.',
      kind: 'counter',
      label: 'outcome',
      read: () => {
        const { acknowledged, released, leasesOver } = read().pulls;
        return { acknowledged, released, expired: leasesOver };
      },
    },
  ];
}

function webhookMetrics(read: () => SubscriptionStats): readonly MetricDefinition[] {
  return [
    {
      name: 'polycast_webhook_requests_total',
      help: 'Webhook requests, by outcome.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ ...read().webhooks.outcomes }),
    },
    counter('polycast_webhook_events_total', 'Events delivered to webhook endpoints.', () => read().webhooks.events),
    counter(
      'polycast_webhook_retries_total',
      'Repeated deliveries of an event to a webhook endpoint.',
      () => read().webhooks.retries,
    ),
    gauge('polycast_webhook_requests_in_flight', 'Webhook requests in flight.', () => read().webhooks.inFlight),
    {
      name: 'polycast_webhook_connections',
      help: 'Connections to webhook endpoints, busy and idle.',
      kind: 'gauge',
      label: 'state',
      read: () => {
        const { open, idle } = read().webhooks.connections;
        return { busy: open - idle, idle };
      },
    },
    gauge(
      'polycast_webhook_requests_waiting',
      'Webhook requests that wait for a connection because a limit on connections is reached.',
      () => read().webhooks.connections.waiting,
    ),
  ];
}
