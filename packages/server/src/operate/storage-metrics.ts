import type { MetricDefinition } from './metric-definition.ts';

type Stats = Readonly<Record<string, number>>;

/** How one of the numbers of a storage becomes a metric. */
interface StatMetric {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  /** What one unit of the number is in the unit of the metric: 0.001 for milliseconds. */
  readonly factor?: number;
}

/**
 * The metrics of `Log.stats` that only a hub of a cluster has. The page of every hub names them, so
 * the reference has them too.
 */
const CLUSTER_STATS: Readonly<Record<string, StatMetric>> = {
  appliedSequence: measures(
    'polycast_cluster_applied_sequence',
    'In a cluster only: the newest block of the journal that this hub has applied.',
  ),
  journalDistance: measures(
    'polycast_cluster_journal_distance_blocks',
    'In a cluster only: blocks of the journal that this hub knows of and has not applied.',
  ),
  blocksWaiting: measures(
    'polycast_cluster_waiting_blocks',
    'In a cluster only: blocks that this hub has received and not applied.',
  ),
  blocks: counts('polycast_cluster_applied_blocks_total', 'In a cluster only: blocks that this hub has applied.'),
  ownBlocks: counts('polycast_cluster_own_blocks_total', 'In a cluster only: blocks that this hub has written.'),
  journalSilentMs: {
    ...measures(
      'polycast_cluster_journal_silence_seconds',
      'In a cluster only: time since the journal was last heard.',
    ),
    factor: 0.001,
  },
  snapshots: counts('polycast_cluster_snapshots_total', 'In a cluster only: snapshots that this hub has stored.'),
  snapshotFailures: counts(
    'polycast_cluster_snapshot_failures_total',
    'In a cluster only: snapshots that failed. The journal is not trimmed then.',
  ),
  otherHubs: measures('polycast_cluster_other_hubs', 'In a cluster only: other hubs that were heard in the last 5 s.'),
  subscriptionOwner: measures(
    'polycast_cluster_subscription_owner',
    'In a cluster only: 1 if this hub works on subscriptions, 0 if it forwards their requests.',
  ),
  subscriptionTerm: measures(
    'polycast_cluster_subscription_term',
    'In a cluster only: rises by one with each hub that begins to work on subscriptions.',
  ),
  tunnels: measures(
    'polycast_cluster_forwarded_requests',
    'In a cluster only: requests in flight that this hub has forwarded, or that others forwarded to it.',
  ),
};

/**
 * The metrics of `Log.stats`, by the names of its numbers. A home of data has those that concern
 * it: a log in memory has no database.
 */
export const LOG_STATS: Readonly<Record<string, StatMetric>> = {
  commits: counts('polycast_log_commits_total', 'Commits of the log.'),
  commitMsSum: {
    ...counts('polycast_log_commit_seconds_total', 'Time that the commits of the log took, in all.'),
    factor: 0.001,
  },
  commitsOver5Ms: counts('polycast_log_commits_over_5ms_total', 'Commits of the log that took more than 5 ms.'),
  commitsOver50Ms: counts('polycast_log_commits_over_50ms_total', 'Commits of the log that took more than 50 ms.'),
  records: counts('polycast_log_appended_events_total', 'Events that were appended to the log.'),
  channels: measures('polycast_log_channels', 'Channels that the log knows.'),
  events: measures('polycast_log_stored_events', 'Events that the log stores.'),
  walBytes: measures('polycast_log_wal_bytes', 'Size of the write-ahead log of the database of events.'),
  databaseBytes: measures('polycast_log_database_bytes', 'Size of the database of events.'),
  checkpoints: counts('polycast_log_checkpoints_total', 'Checkpoints: the write-ahead log moved into the database.'),
  settles: counts('polycast_log_index_updates_total', 'Batches of events that were added to the index of channels.'),
  housekeepingFailures: counts(
    'polycast_log_housekeeping_failures_total',
    'Failed checkpoints and index updates. The hub tries them again.',
  ),
  waiting: measures('polycast_log_waiting_appends', 'Appends that wait for the next commit.'),
  waitingBytes: measures('polycast_log_waiting_bytes', 'Bytes of the appends that wait for the next commit.'),
  gatheringWaits: counts(
    'polycast_log_delayed_commits_total',
    'Commits that were delayed by some milliseconds to take more appends.',
  ),
  reads: counts('polycast_log_queries_total', 'Queries of the log on disk for pages of events.'),
  failures: counts('polycast_log_failures_total', 'Writes of the log that failed.'),
  damagedRanges: measures('polycast_log_damaged_ranges', 'Ranges of events on the disk that cannot be read.'),
  scrubs: counts('polycast_log_scrubs_total', 'Passes of the scrub, which verifies the checksums of all events.'),
  scrubbedBytes: counts('polycast_log_scrubbed_bytes_total', 'Bytes of events that the scrub verified.'),
  rowsRead: counts('polycast_log_read_events_total', 'Events that queries of a log in memory returned.'),
  trimmed: counts('polycast_log_trimmed_events_total', 'Events that retention removed from a log in memory.'),
  keys: measures('polycast_log_idempotency_keys', 'Idempotency keys that a log in memory holds.'),
  ...CLUSTER_STATS,
};

/** The metrics of `SubscriptionStore.metrics`, by the names of its numbers. */
export const SUBSCRIPTION_STORE_STATS: Readonly<Record<string, StatMetric>> = {
  commits: counts('polycast_subscription_store_commits_total', 'Commits of the subscription store.'),
  commitMsSum: {
    ...counts(
      'polycast_subscription_store_commit_seconds_total',
      'Time that the commits of the subscription store took, in all.',
    ),
    factor: 0.001,
  },
  changes: counts('polycast_subscription_store_changes_total', 'Changes that the subscription store stored.'),
  failures: counts('polycast_subscription_store_failures_total', 'Failed commits of the subscription store.'),
  databaseBytes: measures('polycast_subscription_store_database_bytes', 'Size of the database of subscriptions.'),
  walBytes: measures(
    'polycast_subscription_store_wal_bytes',
    'Size of the write-ahead log of the database of subscriptions.',
  ),
  attempts: measures('polycast_subscription_store_attempts', 'Attempts of deliveries that are stored.'),
  waiting: measures('polycast_subscription_store_waiting_changes', 'Changes that wait for the next commit.'),
  lostCommits: measures(
    'polycast_subscription_store_incomplete',
    '1 if acknowledged changes were missing when the hub opened the store, otherwise 0.',
  ),
};

/** One metric for each number of a storage. Those that its home does not have stay empty. */
export function storageMetrics(metrics: Readonly<Record<string, StatMetric>>, read: () => Stats): MetricDefinition[] {
  return Object.entries(metrics).map(([stat, { factor = 1, ...metric }]) => ({
    ...metric,
    read: () => {
      const value = read()[stat];
      return value === undefined ? {} : { '': value * factor };
    },
  }));
}

function counts(name: string, help: string): StatMetric {
  return { name, help, kind: 'counter' };
}

function measures(name: string, help: string): StatMetric {
  return { name, help, kind: 'gauge' };
}
