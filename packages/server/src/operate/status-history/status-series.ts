import { TRANSPORTS } from '@polycast/protocol';
import type { HubStatus } from '../hub-status.ts';

/**
 * A series is one number of the hub over time. Example: `published` is the number of events that
 * became durable in each step of 5 seconds.
 * - `count`: the status has a total since the start; a step has the increase within it.
 * - `gauge`: a step has the greatest value that was seen within it.
 * - `latest`: a step has the last value within it.
 */
export interface StatusSeries {
  readonly name: string;
  readonly kind: 'count' | 'gauge' | 'latest';
  readonly doc: string;
  /** Reads the number from a status; `undefined` where the hub does not know it. */
  readonly read: (status: HubStatus) => number | null | undefined;
}

type DistributionName = keyof HubStatus['latency'];

/** Distributions of which the steps hold every bucket. Percentiles come from these counts. */
const DISTRIBUTIONS: readonly DistributionName[] = ['publishToDurable', 'publishToWrite', 'webhook', 'eventLoopDelay'];

/** The series that hold one number. The API shows them by their names. */
export const PLAIN_SERIES: readonly StatusSeries[] = [
  count('published', 'Events that became durable.', ({ published }) => published.events),
  count('publishedBytes', 'Their bytes.', ({ published }) => published.bytes),
  count('refused', 'Refused publishes.', ({ published }) => published.refused),
  count('failed', 'Publishes that the log could not store.', ({ published }) => published.failed),
  ...TRANSPORTS.map((transport) =>
    count(`delivered.${transport}`, `Events delivered by ${transport}.`, ({ delivered }) => delivered[transport]),
  ),
  ...TRANSPORTS.map((transport) =>
    gauge(`sessions.${transport}`, `Live sessions on ${transport}.`, ({ sessions }) => sessions[transport]),
  ),
  gauge('readers', 'Consumers that read from the log.', ({ readers }) => readers.count),
  gauge('readerLagEvents', 'Positions from the slowest consumer to the head.', ({ readers }) => readers.lagEventsMax),
  gauge('queueBytes', 'Bytes of accepted events that are not durable yet.', ({ log }) => log.queueBytes),
  gauge('backlogEvents', 'Events that the slowest subscription is behind.', (status) =>
    greatest(status, ({ lagEventsMax }) => lagEventsMax),
  ),
  gauge('backlogSeconds', 'Age of the oldest event that a subscription waits for.', (status) =>
    greatest(status, ({ lagSecondsMax }) => lagSecondsMax),
  ),
  latest('activeSubscriptions', 'Active subscriptions.', ({ subscriptions }) => subscriptions.states['active']?.count),
  latest(
    'suspendedSubscriptions',
    'Suspended subscriptions.',
    ({ subscriptions }) => subscriptions.states['suspended']?.count,
  ),
  count('deadLetters', 'Events that became dead letters.', ({ subscriptions }) => subscriptions.deadLetters),
  count('webhookEvents', 'Events delivered by webhooks.', ({ webhooks }) => webhooks.events),
  count('webhookRetries', 'Retried requests to endpoints.', ({ webhooks }) => webhooks.retries),
  gauge('webhooksInFlight', 'Requests to endpoints in progress.', ({ webhooks }) => webhooks.inFlight),
  latest('storedEvents', 'Stored events.', ({ log }) => log.events),
  latest('databaseBytes', 'Bytes of the log on disk.', ({ storage }) => storage.databaseBytes),
  latest('diskFreeBytes', 'Free space of the disk.', ({ storage }) => storage.freeBytes),
  latest('diskSizeBytes', 'Size of the disk.', ({ storage }) => storage.sizeBytes),
  gauge('residentBytes', 'Resident memory of the process.', ({ process }) => process.residentBytes),
  gauge('openFiles', 'Open files and sockets.', ({ process }) => process.openFiles),
  count('cpuSeconds', 'Processor time.', ({ process }) => process.cpuSeconds),
];

/** The name of the series of one bucket: `publishToDurable.3`. */
export function bucketName(distribution: DistributionName, index: number): string {
  return `${distribution}.${index}`;
}

/**
 * All series of a hub whose status looks like this one: the plain ones, and one for each bucket of
 * each distribution.
 */
export function seriesLike(status: HubStatus): readonly StatusSeries[] {
  const buckets = DISTRIBUTIONS.flatMap((distribution) =>
    status.latency[distribution].counts.map((_, index) =>
      count(bucketName(distribution, index), '', ({ latency }) => latency[distribution].counts[index]),
    ),
  );
  return [...PLAIN_SERIES, ...buckets];
}

/** The percentiles that the API computes from the buckets, by the names of their series. */
export const PERCENTILES: readonly {
  readonly name: string;
  readonly distribution: DistributionName;
  readonly share: number;
}[] = DISTRIBUTIONS.flatMap((distribution) => [
  { name: `${distribution}.p50Seconds`, distribution, share: 0.5 },
  { name: `${distribution}.p99Seconds`, distribution, share: 0.99 },
]);

/**
 * The upper bound of the bucket in which a share of the durations ends. `null` without durations.
 * @param counts the number of durations up to each bound; the last is the number of all
 */
export function percentileOf(
  boundsSeconds: readonly number[],
  counts: readonly number[],
  share: number,
): number | null {
  const total = counts.at(-1) ?? 0;
  if (!(total > 0)) return null;
  const index = counts.findIndex((below) => below >= total * share);
  return boundsSeconds[index] ?? boundsSeconds.at(-1) ?? null;
}

function greatest(
  { subscriptions }: HubStatus,
  of: (state: HubStatus['subscriptions']['states'][string]) => number,
): number {
  return Math.max(0, ...Object.values(subscriptions.states).map(of));
}

function count(name: string, doc: string, read: StatusSeries['read']): StatusSeries {
  return { name, kind: 'count', doc, read };
}

function gauge(name: string, doc: string, read: StatusSeries['read']): StatusSeries {
  return { name, kind: 'gauge', doc, read };
}

function latest(name: string, doc: string, read: StatusSeries['read']): StatusSeries {
  return { name, kind: 'latest', doc, read };
}
