import { metric, rate, type RowDefinition } from './panel.ts';

/** What the hubs work with: the log, subscriptions, identity and the process. */
export const OPERATION_ROWS: readonly RowDefinition[] = [
  {
    title: 'Log and disk',
    panels: [
      {
        title: 'Size of the databases',
        description: 'The databases of events and of subscriptions, with their write-ahead logs.',
        unit: 'bytes',
        isStacked: true,
        queries: [
          { expr: `sum(${metric('polycast_log_database_bytes')})`, legend: 'events' },
          { expr: `sum(${metric('polycast_log_wal_bytes')})`, legend: 'events, write-ahead log' },
          { expr: `sum(${metric('polycast_subscription_store_database_bytes')})`, legend: 'subscriptions' },
          { expr: `sum(${metric('polycast_subscription_store_wal_bytes')})`, legend: 'subscriptions, write-ahead log' },
        ],
      },
      {
        title: 'Free space',
        description: 'Free share of the file system of the data folder. On a full disk publishers get 503.',
        unit: 'percentunit',
        isLowBad: true,
        thresholds: [0.2, 0.1],
        queries: [
          {
            expr: `${metric('polycast_data_free_bytes')} / ${metric('polycast_data_size_bytes')}`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Commits and events per commit',
        description: 'Commits of the log per second, and events in each. Publishes at the same time share a commit.',
        unit: 'short',
        queries: [
          { expr: rate('polycast_log_commits_total', ['job']), legend: 'commits' },
          {
            expr: `${rate('polycast_log_appended_events_total', ['job'])} / ${rate('polycast_log_commits_total', ['job'])}`,
            legend: 'events per commit',
          },
        ],
      },
      {
        title: 'Duration of a commit',
        description: 'Mean time of a commit. It is the speed of the disk.',
        unit: 's',
        thresholds: [0.05, 0.5],
        queries: [
          {
            expr: `${rate('polycast_log_commit_seconds_total')} / ${rate('polycast_log_commits_total')}`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Queue of writes',
        description: 'Bytes that are accepted and not yet durable, and the limit. At the limit publishers get 503.',
        unit: 'bytes',
        queries: [
          { expr: metric('polycast_append_queue_bytes'), legend: '{{instance}}' },
          { expr: metric('polycast_append_queue_limit_bytes'), legend: '{{instance}} limit' },
        ],
      },
      {
        title: 'Reads: tail and disk',
        description:
          'Batches served from the tail in memory, and pages read from the disk. Many reads of the disk: readers are farther behind than delivery.tailBytesMax.',
        unit: 'ops',
        queries: [
          { expr: rate('polycast_tail_hits_total', ['job']), legend: 'tail' },
          { expr: rate('polycast_log_reads_total', ['job']), legend: 'disk' },
        ],
      },
      {
        title: 'Channels',
        description: 'Channels that the log knows.',
        unit: 'short',
        queries: [{ expr: metric('polycast_log_channels'), legend: '{{instance}}' }],
      },
      {
        title: 'Damage and failures',
        description: 'Damaged ranges of the log, and failed writes per second. Both should be 0.',
        unit: 'short',
        thresholds: [1, 1],
        queries: [
          { expr: metric('polycast_log_damaged_ranges'), legend: '{{instance}} damaged ranges' },
          { expr: rate('polycast_log_failures_total'), legend: '{{instance}} failures' },
        ],
      },
    ],
  },
  {
    title: 'Subscriptions and webhooks',
    panels: [
      {
        title: 'Subscriptions, by state',
        description: 'Durable subscriptions. Suspended: the endpoint has failed for days.',
        unit: 'short',
        isStacked: true,
        queries: [{ expr: `sum by (state) (${metric('polycast_subscriptions')})`, legend: '{{state}}' }],
      },
      {
        title: 'Lag in time, by subscription',
        description: 'Age of the oldest undelivered event: the ten subscriptions that are latest.',
        unit: 's',
        thresholds: [3600, 21_600],
        queries: [
          {
            expr: `topk(10, max by (subscription) (${metric('polycast_subscription_lag_seconds')}))`,
            legend: '{{subscription}}',
          },
        ],
      },
      {
        title: 'Lag in events, by subscription',
        description: 'Undelivered events: the ten subscriptions with the most.',
        unit: 'short',
        queries: [
          {
            expr: `topk(10, max by (subscription) (${metric('polycast_subscription_lag_events')}))`,
            legend: '{{subscription}}',
          },
        ],
      },
      {
        title: 'Webhook requests, by outcome',
        description: 'Requests to endpoints. Everything but delivered is repeated, or becomes a dead letter.',
        unit: 'ops',
        isStacked: true,
        queries: [{ expr: rate('polycast_webhook_requests_total', ['outcome']), legend: '{{outcome}}' }],
      },
      {
        title: 'Webhook events and retries',
        description: 'Events delivered to endpoints, and repeated deliveries.',
        unit: 'ops',
        queries: [
          { expr: rate('polycast_webhook_events_total', ['job']), legend: 'delivered' },
          { expr: rate('polycast_webhook_retries_total', ['job']), legend: 'retries' },
        ],
      },
      {
        title: 'Webhook requests in progress',
        description: 'Requests in flight, and those that wait for a connection because a limit of outgoing is reached.',
        unit: 'short',
        queries: [
          { expr: `sum(${metric('polycast_webhook_requests_in_flight')})`, legend: 'in flight' },
          { expr: `sum(${metric('polycast_webhook_requests_waiting')})`, legend: 'waiting' },
          { expr: `sum by (state) (${metric('polycast_webhook_connections')})`, legend: 'connections {{state}}' },
        ],
      },
      {
        title: 'Pull: leases',
        description: 'Leased events, and how leases end. Expired leases: workers crash, or are too slow.',
        unit: 'ops',
        queries: [
          { expr: rate('polycast_pull_leases_total', ['job']), legend: 'leased' },
          { expr: rate('polycast_pull_redeliveries_total', ['job']), legend: 'leased again' },
          { expr: rate('polycast_pull_lease_ends_total', ['outcome']), legend: '{{outcome}}' },
        ],
      },
      {
        title: 'Dead letters',
        description: 'Events that became dead letters. They stay undelivered until you retry them.',
        unit: 'ops',
        queries: [{ expr: rate('polycast_dead_letters_total'), legend: '{{instance}}' }],
      },
      {
        title: 'Commits of the subscription store',
        description: 'Commits, and failed commits, per second. Failures should be 0.',
        unit: 'ops',
        queries: [
          { expr: rate('polycast_subscription_store_commits_total', ['job']), legend: 'commits' },
          { expr: rate('polycast_subscription_store_failures_total', ['job']), legend: 'failures' },
        ],
      },
    ],
  },
  {
    title: 'Identity and refusals',
    panels: [
      {
        title: 'Refusals, by code',
        description: 'Refused requests, operations and published items.',
        unit: 'ops',
        isStacked: true,
        queries: [{ expr: rate('polycast_refusals_total', ['code']), legend: '{{code}}' }],
      },
      {
        title: 'Tokens and keys',
        description: 'Credentials presented. Many refused ones: an attack, or a server with an old key.',
        unit: 'ops',
        queries: [
          { expr: rate('polycast_token_checks_total', ['outcome']), legend: 'tokens {{outcome}}' },
          { expr: rate('polycast_key_checks_total', ['outcome']), legend: 'keys {{outcome}}' },
        ],
      },
      {
        title: 'Identity site',
        description: 'Requests to the site, failed ones, and questions that were answered without it.',
        unit: 'ops',
        queries: [
          { expr: rate('polycast_site_requests_total', ['job']), legend: 'requests' },
          { expr: rate('polycast_site_requests_failed_total', ['job']), legend: 'failed' },
          { expr: rate('polycast_site_fallbacks_total', ['outcome']), legend: '{{outcome}}' },
        ],
      },
      {
        title: 'Age of issuer keys',
        description: 'Time since the keys of an issuer were fetched. +Inf before the first time.',
        unit: 's',
        thresholds: [3600, 86_400],
        queries: [{ expr: `max by (issuer) (${metric('polycast_jwks_age_seconds')})`, legend: '{{issuer}}' }],
      },
      {
        title: 'Revocations',
        description: 'Revocations of users, tokens, keys and sessions per second.',
        unit: 'ops',
        queries: [{ expr: rate('polycast_revocations_total', ['kind']), legend: '{{kind}}' }],
      },
      {
        title: 'Fullest buffers',
        description:
          'Buffers that clients fill, as a share of their limits. At 1 the hub refuses requests, or drops the oldest.',
        unit: 'percentunit',
        thresholds: [0.5, 0.8],
        queries: [
          {
            expr: `max by (kind) (${metric('polycast_buffer_bytes')} / ${metric('polycast_buffer_limit_bytes')})`,
            legend: '{{kind}}',
          },
          { expr: rate('polycast_buffer_refusals_total', ['kind']), legend: '{{kind}} refused per second' },
        ],
      },
    ],
  },
  {
    title: 'Process',
    panels: [
      {
        title: 'Processor',
        description:
          'Used cores of the process, and the busy share of its event loop. Near 1 the event loop has no capacity left.',
        unit: 'percentunit',
        thresholds: [0.7, 0.9],
        queries: [
          { expr: rate('process_cpu_seconds_total'), legend: '{{instance}} process' },
          { expr: rate('polycast_event_loop_active_seconds_total'), legend: '{{instance}} event loop' },
        ],
      },
      {
        title: 'Delay of the event loop, p99',
        description: 'How late timers run: the time that a request waits for its turn.',
        unit: 's',
        thresholds: [0.05, 0.25],
        queries: [
          {
            expr: `histogram_quantile(0.99, sum by (instance, le) (rate(${metric('polycast_event_loop_delay_seconds_bucket')}[$__rate_interval])))`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Memory',
        description:
          'Resident memory, and its parts: the JavaScript heap of the main thread, buffers, and the tail of newest events.',
        unit: 'bytes',
        queries: [
          { expr: metric('process_resident_memory_bytes'), legend: '{{instance}} resident' },
          { expr: metric('nodejs_heap_size_used_bytes'), legend: '{{instance}} heap' },
          { expr: metric('nodejs_external_memory_bytes'), legend: '{{instance}} buffers' },
          { expr: metric('polycast_tail_bytes'), legend: '{{instance}} tail' },
        ],
      },
      {
        title: 'Open files',
        description: 'Open file descriptors, and their limit (ulimit -n). A connection needs one.',
        unit: 'short',
        queries: [
          { expr: `${metric('process_open_fds')} and on (job, instance) polycast_build_info`, legend: '{{instance}}' },
          {
            expr: `${metric('process_max_fds')} and on (job, instance) polycast_build_info`,
            legend: '{{instance}} limit',
          },
        ],
      },
      {
        title: 'Uptime',
        description: 'Time since the start of the process.',
        unit: 'dtdurations',
        queries: [{ expr: `time() - ${metric('process_start_time_seconds')}`, legend: '{{instance}}' }],
      },
      {
        title: 'Versions',
        description: 'Hubs by version of Polycast and of Node.js.',
        unit: 'short',
        queries: [
          {
            expr: `count by (version, node_version) (${metric('polycast_build_info')})`,
            legend: '{{version}}, Node.js {{node_version}}',
          },
        ],
      },
    ],
  },
];
