import { TRANSPORTS, type TransportName } from '@polycast/protocol';
import type { MemoryUsage } from '../core/primitives/byte-budget.ts';
import type { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import { identityMetrics, type IdentityStats } from './identity-metrics.ts';
import { counter, gauge, type MetricDefinition, type MetricValues } from './metric-definition.ts';
import { telemetryMetrics, type TelemetryStats } from './telemetry-metrics.ts';
import { processMetrics, type ProcessSources } from './process-metrics.ts';
import { LOG_STATS, storageMetrics } from './storage-metrics.ts';
import { subscriptionMetrics, type SubscriptionLagStats, type SubscriptionStats } from './subscription-metrics.ts';

/** The sources that the metrics are read from. */
export interface MetricSources extends ProcessSources {
  readonly log: Log;
  readonly feed: Feed;
  readonly publisher: Publisher;
  /** By transport. */
  readonly deliveries: Readonly<Record<string, number>>;
  readonly sessions: { count(transport: TransportName): number };
  readonly transport: { readonly gaps: number; readonly stalled: number };
  readonly http2: () => { readonly connections: number; readonly streams: number; readonly floods: number };
  /** `undefined` without TLS. */
  readonly certificate: () =>
    | { readonly reloaded: number; readonly failed: number; readonly expiresMs: number }
    | undefined;
  /** All requests to the site, of either kind. */
  readonly site: () => SiteStats;
  /** 0 where no sessions are recorded. */
  readonly sessionJournal: () => { readonly waiting: number; readonly lost: number };
  readonly presence: () => { readonly channels: number; readonly published: number; readonly pending: number };
  readonly identity: () => IdentityStats;
  readonly subscriptions: () => SubscriptionStats;
  readonly subscriptionLag: () => Promise<SubscriptionLagStats>;
  readonly telemetry: () => TelemetryStats;
  readonly refusals: () => Iterable<{ readonly code: string; readonly route: string; readonly count: number }>;
  /** Open TCP connections. */
  readonly connections: () => Promise<number>;
  /** Refused connections of addresses with too many. */
  readonly socketsRefused: () => number;
  /** The memory that clients fill, by kind. */
  readonly buffers: () => Readonly<Record<string, MemoryUsage>>;
  readonly limits: { readonly connectionsMax: number; readonly appendQueueBytesMax: number };
}

interface SiteStats {
  readonly asked: number;
  readonly failed: number;
  readonly graced: number;
  readonly unavailable: number;
  readonly isFailing: boolean;
}

/** All metrics of a hub, by their published names. */
export function hubMetrics(sources: MetricSources): readonly MetricDefinition[] {
  return [
    ...publishMetrics(sources),
    ...tailMetrics(sources),
    ...presenceMetrics(sources),
    ...sessionJournalMetrics(sources),
    ...readerMetrics(sources),
    ...connectionMetrics(sources),
    ...siteMetrics(sources),
    ...identityMetrics(sources.identity),
    ...subscriptionMetrics(sources.subscriptions, sources.subscriptionLag),
    ...resourceMetrics(sources),
    ...processMetrics(sources),
    ...telemetryMetrics(sources.telemetry),
  ];
}

/** Events on their way in and out. */
function publishMetrics({ publisher, deliveries, sessions, transport }: MetricSources): readonly MetricDefinition[] {
  return [
    counter('polycast_published_events_total', 'Events that became durable.', () => publisher.stats.published),
    counter('polycast_published_bytes_total', 'Bytes of the events that became durable.', () => publisher.stats.bytes),
    {
      name: 'polycast_events_not_appended_total',
      help: 'Published events that were not appended: refused, failed because the log could not be written, or replayed: answered from an idempotency key.',
      kind: 'counter',
      label: 'reason',
      read: () => ({
        refused: publisher.stats.refused,
        failed: publisher.stats.failed,
        replayed: publisher.stats.replayed,
      }),
    },
    {
      name: 'polycast_delivered_events_total',
      help: 'Events written to consumers, by transport.',
      kind: 'counter',
      label: 'transport',
      read: () => ({ ...deliveries }),
    },
    {
      name: 'polycast_sessions',
      help: 'Live sessions and polls in progress, by transport.',
      kind: 'gauge',
      label: 'transport',
      read: () => Object.fromEntries(TRANSPORTS.map((name) => [name, sessions.count(name)])),
    },
    counter('polycast_gaps_total', 'Gaps sent to consumers.', () => transport.gaps),
    counter(
      'polycast_stalled_sessions_total',
      'Sessions closed because the client did not read for `delivery.stalledTimeoutMs`.',
      () => transport.stalled,
    ),
  ];
}

/** The log, the tail in memory, and the queue of writes. */
function tailMetrics({ feed, log, publisher, limits }: MetricSources): readonly MetricDefinition[] {
  return [
    counter(
      'polycast_log_reads_total',
      'Pages that were read or counted in the log on disk for consumers.',
      () => feed.stats.logReads,
    ),
    counter('polycast_tail_hits_total', 'Batches served from the tail in memory.', () => feed.stats.tailHits),
    counter('polycast_wakes_total', 'Wake-ups of readers for new events.', () => feed.stats.wakes),
    gauge('polycast_tail_bytes', 'Bytes of the events in the tail.', () => feed.tail.bytes),
    gauge('polycast_tail_events', 'Events in the tail.', () => feed.tail.count),
    gauge('polycast_log_head_position', 'Position of the newest event.', () => feed.head),
    gauge('polycast_log_writable', '1 while the log accepts writes, otherwise 0.', () =>
      log.state.unavailable === undefined ? 1 : 0,
    ),
    gauge(
      'polycast_append_queue_bytes',
      'Bytes of events that are accepted and not yet durable.',
      () => publisher.queuedBytes,
    ),
    gauge(
      'polycast_append_queue_limit_bytes',
      'Limit of `polycast_append_queue_bytes`: `limits.appendQueueBytesMax`.',
      () => limits.appendQueueBytesMax,
    ),
  ];
}

function presenceMetrics({ presence }: MetricSources): readonly MetricDefinition[] {
  return [
    gauge(
      'polycast_presence_channels',
      'Channels with presence that have at least one member.',
      () => presence().channels,
    ),
    counter(
      'polycast_presence_changes_total',
      'Presence events published: members, users online and offline, channels occupied and vacated.',
      () => presence().published,
    ),
    gauge('polycast_presence_events_pending', 'Presence events that wait to be published.', () => presence().pending),
  ];
}

function sessionJournalMetrics({ sessionJournal }: MetricSources): readonly MetricDefinition[] {
  return [
    gauge(
      'polycast_session_journal_waiting',
      'Changes of the session journal that wait to be written.',
      () => sessionJournal().waiting,
    ),
    counter(
      'polycast_session_journal_lost_total',
      'Changes of the session journal that were lost, because the disk did not accept them in time.',
      () => sessionJournal().lost,
    ),
  ];
}

function readerMetrics({ feed, log }: MetricSources): readonly MetricDefinition[] {
  return [
    gauge('polycast_readers', 'Consumers that read from the log or the tail.', () => feed.lag().readers),
    gauge(
      'polycast_reader_max_lag_events',
      'Positions between the head of the log and the slowest consumer.',
      () => feed.lag().behindMax,
    ),
    ...storageMetrics(LOG_STATS, () => log.stats()),
  ];
}

function connectionMetrics(sources: MetricSources): readonly MetricDefinition[] {
  const { http2, certificate, connections, socketsRefused, limits } = sources;
  return [
    {
      name: 'polycast_connections',
      help: 'Open TCP connections.',
      kind: 'gauge',
      read: async () => ({ '': await connections() }),
    },
    gauge(
      'polycast_connections_limit',
      'Limit of `polycast_connections`: `limits.connectionsMax`, or what the limit of open files has room for.',
      () => limits.connectionsMax,
    ),
    counter(
      'polycast_connections_refused_total',
      'Connections refused because of `limits.socketsPerAddressMax` or `limits.connectionsPerPublicAddressMax`.',
      socketsRefused,
    ),
    gauge('polycast_http2_connections', 'Open HTTP/2 connections.', () => http2().connections),
    gauge('polycast_http2_streams', 'Open streams of all HTTP/2 connections.', () => http2().streams),
    counter(
      'polycast_http2_floods_total',
      'HTTP/2 connections closed because they sent too many SETTINGS or PING frames.',
      () => http2().floods,
    ),
    {
      name: 'polycast_certificate_reloads_total',
      help: 'Reloads of the TLS certificate: successful, or failed, in which case the previous certificate stays in use.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ reloaded: certificate()?.reloaded ?? 0, failed: certificate()?.failed ?? 0 }),
    },
    {
      name: 'polycast_certificate_expiry_timestamp_seconds',
      help: 'Expiry time of the certificate in use, in seconds since 1970. Absent without TLS.',
      kind: 'gauge',
      read: () => expiryOf(certificate()),
    },
  ];
}

function siteMetrics({ site }: MetricSources): readonly MetricDefinition[] {
  return [
    counter('polycast_site_requests_total', 'Requests to the identity site.', () => site().asked),
    counter('polycast_site_requests_failed_total', 'Requests to the identity site that failed.', () => site().failed),
    {
      name: 'polycast_site_fallbacks_total',
      help: 'Questions during failures of the identity site: answered from the cache, or not at all.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ cached: site().graced, unavailable: site().unavailable }),
    },
    gauge(
      'polycast_site_failing',
      '1 while requests to the identity site are paused after failures, otherwise 0.',
      () => (site().isFailing ? 1 : 0),
    ),
  ];
}

/** The memory that clients use, and their refused requests. */
function resourceMetrics({ refusals, buffers }: MetricSources): readonly MetricDefinition[] {
  const byKind = (select: (buffer: MemoryUsage) => number) => (): MetricValues =>
    Object.fromEntries(Object.entries(buffers()).map(([kind, buffer]) => [kind, select(buffer)]));
  return [
    {
      name: 'polycast_refusals_total',
      help: 'Refused requests, operations and published items, by code and route.',
      kind: 'counter',
      labels: ['code', 'route'],
      rows: () => [...refusals()].map(({ code, route, count }) => [[code, route], count] as const),
    },
    {
      name: 'polycast_buffer_bytes',
      help: 'Bytes of client data in waiting buffers, by kind of buffer. Estimates, rounded up.',
      kind: 'gauge',
      label: 'kind',
      read: byKind(({ bytes }) => bytes),
    },
    {
      name: 'polycast_buffer_limit_bytes',
      help: 'Limits of `polycast_buffer_bytes`.',
      kind: 'gauge',
      label: 'kind',
      read: byKind(({ bytesMax }) => bytesMax),
    },
    {
      name: 'polycast_buffer_refusals_total',
      help: 'Requests that exceeded `polycast_buffer_limit_bytes`: refused, or accepted after others were dropped.',
      kind: 'counter',
      label: 'kind',
      read: byKind(({ refused }) => refused),
    },
  ];
}

function expiryOf(certificate: ReturnType<MetricSources['certificate']>): MetricValues {
  return certificate === undefined ? {} : { '': Math.floor(certificate.expiresMs / 1000) };
}
