import { TRANSPORTS, type TransportName } from '@polycast/protocol';
import type { MemoryUsage } from '../core/primitives/byte-budget.ts';
import type { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import { identityMetrics, type IdentityStats } from './identity-metrics.ts';
import { subscriptionMetrics, type SubscriptionStats } from './subscription-metrics.ts';
import type { MetricDefinition } from './metrics.ts';

/** The sources that the metrics are read from. */
export interface MetricSources {
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
  readonly presence: () => { readonly channels: number; readonly published: number; readonly pending: number };
  readonly identity: () => IdentityStats;
  readonly subscriptions: () => SubscriptionStats;
  readonly refusals: () => Iterable<{ readonly code: string; readonly route: string; readonly count: number }>;
  /** Refused connections of addresses with too many. */
  readonly socketsRefused: () => number;
  /** The memory that clients fill, by kind. */
  readonly held: () => Readonly<Record<string, MemoryUsage>>;
  readonly memory: () => { readonly rss: number; readonly heapUsed: number; readonly external: number };
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
    ...readerMetrics(sources),
    ...connectionMetrics(sources),
    ...siteMetrics(sources),
    ...identityMetrics(sources.identity),
    ...subscriptionMetrics(sources.subscriptions),
    ...resourceMetrics(sources),
  ];
}

/** Events on their way in and out. */
function publishMetrics({ publisher, deliveries, sessions, transport }: MetricSources): readonly MetricDefinition[] {
  return [
    counter('polycast_published_events_total', 'Events that became durable.', () => publisher.stats.published),
    counter('polycast_published_bytes_total', 'Bytes of the events that became durable.', () => publisher.stats.bytes),
    {
      name: 'polycast_publish_refused_total',
      help: 'Publishes that appended no event: refused, failed because the log could not be written, or answered from an idempotency key.',
      kind: 'counter',
      label: 'why',
      read: () => ({
        refused: publisher.stats.refused,
        failed: publisher.stats.failed,
        replayed: publisher.stats.replayed,
      }),
    },
    {
      name: 'polycast_deliveries_total',
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
      'polycast_stalled_total',
      'Sessions closed because the client did not read for `delivery.stalledTimeoutMs`.',
      () => transport.stalled,
    ),
  ];
}

/** The log, the tail in memory, and the queue of writes. */
function tailMetrics({ feed, log, publisher }: MetricSources): readonly MetricDefinition[] {
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
    gauge('polycast_log_head', 'Position of the newest event.', () => feed.head),
    gauge('polycast_log_writable', '1 while the log accepts writes, otherwise 0.', () =>
      log.state.unavailable === undefined ? 1 : 0,
    ),
    gauge(
      'polycast_append_queue_bytes',
      'Bytes of events that are accepted and not yet durable.',
      () => publisher.queuedBytes,
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

function readerMetrics({ feed, log }: MetricSources): readonly MetricDefinition[] {
  return [
    gauge('polycast_readers', 'Consumers that read from the log or the tail.', () => feed.lag().readers),
    gauge(
      'polycast_cursor_lag_events_max',
      'Positions between the head of the log and the slowest consumer.',
      () => feed.lag().behindMax,
    ),
    {
      name: 'polycast_log',
      help: 'Statistics of the log storage.',
      kind: 'gauge',
      label: 'figure',
      read: () => log.stats(),
    },
  ];
}

function connectionMetrics({ http2, certificate }: MetricSources): readonly MetricDefinition[] {
  return [
    {
      name: 'polycast_http2',
      help: 'Open HTTP/2 connections and their open streams.',
      kind: 'gauge',
      label: 'figure',
      read: () => ({ connections: http2().connections, streams: http2().streams }),
    },
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
    gauge(
      'polycast_certificate_expires_seconds',
      'Expiry time of the certificate in use, in seconds since 1970; 0 without TLS.',
      () => Math.floor((certificate()?.expiresMs ?? 0) / 1000),
    ),
  ];
}

function siteMetrics({ site }: MetricSources): readonly MetricDefinition[] {
  return [
    {
      name: 'polycast_site_questions_total',
      help: 'Requests to the identity site: sent and failed. During failures: answered from the cache (`graced`), or not at all (`unavailable`).',
      kind: 'counter',
      label: 'outcome',
      read: () => {
        const { asked, failed, graced, unavailable } = site();
        return { asked, failed, graced, unavailable };
      },
    },
    gauge(
      'polycast_site_failing',
      '1 while requests to the identity site are paused after failures, otherwise 0.',
      () => (site().isFailing ? 1 : 0),
    ),
  ];
}

/** The memory that clients use, and their refused requests. */
function resourceMetrics({ refusals, socketsRefused, held, memory }: MetricSources): readonly MetricDefinition[] {
  return [
    {
      name: 'polycast_refusals_total',
      help: 'Refused requests, operations and published items, by code and route.',
      kind: 'counter',
      labels: ['code', 'route'],
      rows: () => [...refusals()].map(({ code, route, count }) => [[code, route], count] as const),
    },
    counter(
      'polycast_sockets_refused_total',
      'Connections refused because of `limits.socketsPerAddressMax` or `limits.connectionsPerPublicAddressMax`.',
      socketsRefused,
    ),
    {
      name: 'polycast_held_bytes',
      help: 'Bytes of client data in waiting buffers, by kind of buffer. Estimates, rounded up.',
      kind: 'gauge',
      label: 'what',
      read: () => heldBy(held(), ({ bytes }) => bytes),
    },
    {
      name: 'polycast_held_bytes_max',
      help: 'Limits of `polycast_held_bytes`.',
      kind: 'gauge',
      label: 'what',
      read: () => heldBy(held(), ({ bytesMax }) => bytesMax),
    },
    {
      name: 'polycast_held_refused_total',
      help: 'Requests that exceeded `polycast_held_bytes_max`: refused, or accepted after others were dropped.',
      kind: 'counter',
      label: 'what',
      read: () => heldBy(held(), ({ refused }) => refused),
    },
    {
      name: 'polycast_memory_bytes',
      help: 'Memory of the process: resident, heap and external.',
      kind: 'gauge',
      label: 'part',
      read: () => ({ resident: memory().rss, heap: memory().heapUsed, external: memory().external }),
    },
  ];
}

function heldBy(
  held: Readonly<Record<string, MemoryUsage>>,
  select: (held: MemoryUsage) => number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(held).map(([what, each]) => [what, select(each)]));
}

function counter(name: string, help: string, read: () => number): MetricDefinition {
  return { name, help, kind: 'counter', read: () => ({ '': read() }) };
}

function gauge(name: string, help: string, read: () => number): MetricDefinition {
  return { name, help, kind: 'gauge', read: () => ({ '': read() }) };
}
