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
      help: 'Events that the subscription farthest behind has not done, by state: under way, failing, waiting, and those that it means and has not taken up.',
      kind: 'gauge',
      label: 'state',
      read: byState('lagEventsMax'),
    },
    {
      name: 'polycast_subscription_lag_seconds_max',
      help: 'Age of the oldest event that is not delivered, as far as it is known, by state.',
      kind: 'gauge',
      label: 'state',
      read: byState('lagMsMax', 1000),
    },
    {
      name: 'polycast_webhook_requests_total',
      help: 'Requests to endpoints, by what came of them.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ ...read().webhooks.outcomes }),
    },
    {
      name: 'polycast_webhook_events_total',
      help: 'Events delivered to endpoints.',
      kind: 'counter',
      read: () => ({ '': read().webhooks.events }),
    },
    {
      name: 'polycast_webhook_retries_total',
      help: 'Deliveries to endpoints that were not the first of their event.',
      kind: 'counter',
      read: () => ({ '': read().webhooks.retries }),
    },
    {
      name: 'polycast_webhook_requests_in_flight',
      help: 'Requests to endpoints that are under way.',
      kind: 'gauge',
      read: () => ({ '': read().webhooks.inFlight }),
    },
    {
      name: 'polycast_webhook_connections',
      help: 'Connections to endpoints, busy and idle.',
      kind: 'gauge',
      label: 'state',
      read: () => {
        const { open, idle } = read().webhooks.connections;
        return { busy: open - idle, idle };
      },
    },
    {
      name: 'polycast_webhook_requests_waiting',
      help: 'Requests to endpoints that wait for a connection, because there are as many as there may be.',
      kind: 'gauge',
      read: () => ({ '': read().webhooks.connections.waiting }),
    },
    {
      name: 'polycast_pulled_events_total',
      help: 'Events of pull subscriptions: leased, those among them that had been before, acknowledged, given back, and leases that ended by themselves.',
      kind: 'counter',
      label: 'what',
      read: () => {
        const { leased, redelivered, acknowledged, released, leasesOver } = read().pulls;
        return { leased, redelivered, acknowledged, released, lease_over: leasesOver };
      },
    },
    {
      name: 'polycast_dead_letters_total',
      help: 'Events that subscriptions have given up on.',
      kind: 'counter',
      read: () => ({ '': read().deadLetters }),
    },
    {
      name: 'polycast_subscription_store',
      help: 'What the home of subscriptions counts.',
      kind: 'gauge',
      label: 'figure',
      read: () => read().store,
    },
  ];
}
