import { metric, percentiles, quantile, rate, type RowDefinition } from './panel.ts';

/** What goes through the hubs: events in and out, how fast, and over which connections. */
export const TRAFFIC_ROWS: readonly RowDefinition[] = [
  {
    title: 'Overview',
    panels: [
      {
        title: 'Hubs that answer',
        description: 'Hubs whose metrics Prometheus reads.',
        unit: 'short',
        isSingle: true,
        queries: [{ expr: `count(${metric('polycast_build_info')})`, legend: 'hubs' }],
      },
      {
        title: 'Log writable',
        description: '1 while every selected hub accepts writes. 0: publishers get 503.',
        unit: 'short',
        isSingle: true,
        isLowBad: true,
        thresholds: [1, 1],
        queries: [{ expr: `min(${metric('polycast_log_writable')})`, legend: 'writable' }],
      },
      {
        title: 'Events published',
        description: 'Events that became durable, per second.',
        unit: 'ops',
        isSingle: true,
        queries: [{ expr: rate('polycast_published_events_total', ['job']), legend: '{{job}}' }],
      },
      {
        title: 'Live sessions',
        description: 'Streams and waiting polls of all transports.',
        unit: 'short',
        isSingle: true,
        queries: [{ expr: `sum(${metric('polycast_sessions')})`, legend: 'sessions' }],
      },
      {
        title: 'Publish to durable, p99',
        description: 'One publish in a hundred waits longer than this for the disk.',
        unit: 's',
        isSingle: true,
        thresholds: [0.1, 0.5],
        queries: [{ expr: quantile(0.99, 'polycast_publish_to_durable_seconds'), legend: 'p99' }],
      },
      {
        title: 'Subscriptions suspended',
        description: 'Subscriptions whose endpoints have failed for days.',
        unit: 'short',
        isSingle: true,
        thresholds: [1, 10],
        queries: [{ expr: `sum(${metric('polycast_subscriptions', 'state="suspended"')})`, legend: 'suspended' }],
      },
    ],
  },
  {
    title: 'Traffic',
    panels: [
      {
        title: 'Events published',
        description: 'Events that became durable, by hub.',
        unit: 'ops',
        queries: [{ expr: rate('polycast_published_events_total'), legend: '{{instance}}' }],
      },
      {
        title: 'Events delivered, by transport',
        description: 'Events written to live readers. One event for 1,000 readers counts 1,000 times.',
        unit: 'ops',
        isStacked: true,
        queries: [{ expr: rate('polycast_delivered_events_total', ['transport']), legend: '{{transport}}' }],
      },
      {
        title: 'Bytes published',
        description: 'Bytes of the events that became durable, by hub.',
        unit: 'Bps',
        queries: [{ expr: rate('polycast_published_bytes_total'), legend: '{{instance}}' }],
      },
      {
        title: 'Events not appended',
        description:
          'Published events that were refused, could not be written (failed), or repeated an idempotency key (replayed). Failed should be 0.',
        unit: 'ops',
        queries: [{ expr: rate('polycast_events_not_appended_total', ['reason']), legend: '{{reason}}' }],
      },
      {
        title: 'Gaps',
        description: 'Gaps sent to readers: they missed events that the log no longer has. Should be 0.',
        unit: 'ops',
        queries: [{ expr: rate('polycast_gaps_total'), legend: '{{instance}}' }],
      },
      {
        title: 'Presence',
        description: 'Presence events published per second: members that come and go.',
        unit: 'ops',
        queries: [{ expr: rate('polycast_presence_changes_total'), legend: '{{instance}}' }],
      },
    ],
  },
  {
    title: 'Latency',
    panels: [
      {
        title: 'Publish to durable',
        description: 'From an append until the event is on the disk. Every publisher waits this long.',
        unit: 's',
        thresholds: [0.1, 0.5],
        queries: percentiles('polycast_publish_to_durable_seconds'),
      },
      {
        title: 'Publish to write',
        description: 'From the acceptance of an event to the end of its writes to live readers.',
        unit: 's',
        thresholds: [0.25, 1],
        queries: percentiles('polycast_publish_to_write_seconds'),
      },
      {
        title: 'Webhook duration',
        description:
          'From the start of a request to an endpoint to the end of its answer. At their timeout (15 s) requests fail.',
        unit: 's',
        thresholds: [5, 15],
        queries: percentiles('polycast_webhook_duration_seconds'),
      },
    ],
  },
  {
    title: 'Connections',
    panels: [
      {
        title: 'Sessions, by transport',
        description: 'Live sessions and polls in progress.',
        unit: 'short',
        isStacked: true,
        queries: [{ expr: `sum by (transport) (${metric('polycast_sessions')})`, legend: '{{transport}}' }],
      },
      {
        title: 'TCP connections and their limit',
        description: 'Open connections, and limits.connectionsMax. Beyond it the hub refuses connections.',
        unit: 'short',
        queries: [
          { expr: metric('polycast_connections'), legend: '{{instance}}' },
          { expr: metric('polycast_connections_limit'), legend: '{{instance}} limit' },
        ],
      },
      {
        title: 'HTTP/2',
        description: 'HTTP/2 connections and their open streams.',
        unit: 'short',
        queries: [
          { expr: `sum(${metric('polycast_http2_connections')})`, legend: 'connections' },
          { expr: `sum(${metric('polycast_http2_streams')})`, legend: 'streams' },
        ],
      },
      {
        title: 'Connections closed or refused by the hub',
        description:
          'Clients that read nothing for delivery.stalledTimeoutMs, addresses with too many connections, HTTP/2 floods, and revoked credentials.',
        unit: 'ops',
        queries: [
          { expr: rate('polycast_stalled_sessions_total', ['job']), legend: 'stalled' },
          { expr: rate('polycast_connections_refused_total', ['job']), legend: 'refused by address' },
          { expr: rate('polycast_http2_floods_total', ['job']), legend: 'HTTP/2 flood' },
          { expr: rate('polycast_revoked_sessions_total', ['job']), legend: 'revoked' },
        ],
      },
      {
        title: 'Reader that is farthest behind',
        description:
          'Positions between the head of the log and the slowest reader. Slow readers cost no memory, but retention may overtake them.',
        unit: 'short',
        queries: [{ expr: metric('polycast_reader_max_lag_events'), legend: '{{instance}}' }],
      },
      {
        title: 'Certificate expires in',
        description: 'Time until the certificate in use expires. Empty for hubs without TLS.',
        unit: 'dtdurations',
        isLowBad: true,
        thresholds: [1_209_600, 604_800],
        queries: [
          {
            expr: `${metric('polycast_certificate_expiry_timestamp_seconds')} - time()`,
            legend: '{{instance}}',
          },
        ],
      },
    ],
  },
];
