import type { MetricDefinition } from './metrics.ts';

/** Counts of durable subscriptions. */
export interface SubscriptionStats {
  /** By state: the number of subscriptions, and the greatest lag among them. */
  readonly states: Readonly<
    Record<string, { readonly count: number; readonly lagEventsMax: number; readonly lagMsMax: number }>
  >;
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
export function subscriptionMetrics(read: () => SubscriptionStats): readonly MetricDefinition[] {
  return [
    ...stateMetrics(read),
    ...webhookMetrics(read),
    {
      name: 'polycast_pulled_events_total',
      help: 'Events of pull subscriptions: leased, leased again, acknowledged, released, and leases that expired.',
      kind: 'counter',
      label: 'what',
      read: () => {
        const { leased, redelivered, acknowledged, released, leasesOver } = read().pulls;
        return { leased, redelivered, acknowledged, released, lease_over: leasesOver };
      },
    },
    {
      name: 'polycast_dead_letters_total',
      help: 'Events that became dead letters.',
      kind: 'counter',
      read: () => ({ '': read().deadLetters }),
    },
    {
      name: 'polycast_subscription_store',
      help: 'Statistics of the subscription storage.',
      kind: 'gauge',
      label: 'figure',
      read: () => read().store,
    },
  ];
}

function stateMetrics(read: () => SubscriptionStats): readonly MetricDefinition[] {
  const byState =
    (field: 'count' | 'lagEventsMax' | 'lagMsMax', unit = 1) =>
    (): Record<string, number> =>
      Object.fromEntries(Object.entries(read().states).map(([state, stats]) => [state, stats[field] / unit]));
  return [
    {
      name: 'polycast_subscriptions',
      help: 'Durable subscriptions, by state.',
      kind: 'gauge',
      label: 'state',
      read: byState('count'),
    },
    {
      name: 'polycast_subscription_lag_events_max',
      help: 'Lag of the subscription that is farthest behind, in events, by state. It includes events in flight, failing, waiting, and matching events not yet read.',
      kind: 'gauge',
      label: 'state',
      read: byState('lagEventsMax'),
    },
    {
      name: 'polycast_subscription_lag_seconds_max',
      help: 'Age of the oldest undelivered event, as far as it is known, by state.',
      kind: 'gauge',
      label: 'state',
      read: byState('lagMsMax', 1000),
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
    {
      name: 'polycast_webhook_events_total',
      help: 'Events delivered to webhook endpoints.',
      kind: 'counter',
      read: () => ({ '': read().webhooks.events }),
    },
    {
      name: 'polycast_webhook_retries_total',
      help: 'Repeated deliveries of an event to a webhook endpoint.',
      kind: 'counter',
      read: () => ({ '': read().webhooks.retries }),
    },
    {
      name: 'polycast_webhook_requests_in_flight',
      help: 'Webhook requests in flight.',
      kind: 'gauge',
      read: () => ({ '': read().webhooks.inFlight }),
    },
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
    {
      name: 'polycast_webhook_requests_waiting',
      help: 'Webhook requests that wait for a connection because a limit on connections is reached.',
      kind: 'gauge',
      read: () => ({ '': read().webhooks.connections.waiting }),
    },
  ];
}
