import { resolve } from 'node:path';
import { encodeCursor, TRANSPORTS, type TransportName } from '@polycast/protocol';
import { isRegisteredSession, type Session, type Sessions } from '../auth/sessions.ts';
import type { Position } from '../core/ports.ts';
import { SLOWEST_MAX, type CallerStatus, type HubInCluster, type HubStatus } from '../operate/hub-status.ts';
import { countOpenFiles, openFilesMax, readDiskSpace } from '../operate/host-resources.ts';
import { packageVersion } from '../platform/package-files.ts';
import { dataFolderOf } from '../storage/data-setting.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { FailingSubscription } from '../subscriptions/subscription-lag.ts';
import { isWebhook } from '../subscriptions/state/definition.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';

/** The most entries of the list of failing subscriptions. */
const LISTED_MAX = 10;
/** The most channels of a listed session. */
const CHANNELS_LISTED_MAX = 3;

/** The parts of a hub that its status is read from. */
export interface StatusNeeds extends CorePart {
  readonly sessions: Sessions;
  readonly engine: SubscriptionEngine;
  /** Why the hub is not ready, and its problems: what `/readyz` and `/healthz` say. */
  readonly notReadyReason: () => string | undefined;
  readonly problems: () => readonly string[];
  readonly place: () => HubInCluster | undefined;
  /** `undefined` without TLS. */
  readonly certificate: () => { readonly expiresMs: number } | undefined;
}

/**
 * The function that reads the status of a hub.
 * It visits every subscription, and the sessions that are behind.
 */
export function statusReader(base: HubBase, needs: StatusNeeds): (caller: CallerStatus) => Promise<HubStatus> {
  const { config, world, stats, reloader } = base;
  const startedMs = world.clock.nowMs();
  const data = dataFolderOf(config.data);
  const folder = data === undefined ? undefined : resolve(data);
  const versions = { version: packageVersion(), nodeVersion: process.versions.node };
  const limitOfFiles = openFilesMax();
  return async (caller) => {
    const nowMs = world.clock.nowMs();
    const why = needs.notReadyReason();
    const certificate = needs.certificate();
    const cluster = needs.place();
    return {
      ready: why === undefined,
      why: why ?? null,
      problems: [...needs.problems()],
      ...versions,
      sqliteVersion: process.versions['sqlite'] ?? '',
      time: timestamp(nowMs),
      started: timestamp(startedMs),
      uptimeSeconds: Math.floor((nowMs - startedMs) / 1000),
      process: await processStatus(limitOfFiles),
      log: logStatus(base, needs),
      storage: await storageStatus(folder, needs),
      published: publishStatus(needs),
      delivered: { ...stats.deliveries },
      sessions: sessionCounts(needs.sessions),
      latency: await latencyStatus(base),
      readers: readerStatus(needs),
      ...(await subscriptionStatus(needs, nowMs)),
      limits: {
        connectionsMax: base.connectionsMax(reloader.config),
        connectionsMaxPerProcess: base.connectionsMax(reloader.config),
        connectionsMaxConfigured: reloader.config.limits.connectionsMax,
        channelsMax: config.limits.channelsMax,
        trustedProxies: config.trustedProxies.length,
      },
      certificate: certificate === undefined ? null : { expires: timestamp(certificate.expiresMs) },
      caller,
      ...(cluster && { cluster }),
    };
  };
}

async function processStatus(limitOfFiles: number | undefined): Promise<HubStatus['process']> {
  const { user, system } = process.cpuUsage();
  return {
    pid: process.pid,
    residentBytes: process.memoryUsage.rss(),
    heapBytes: process.memoryUsage().heapUsed,
    cpuSeconds: (user + system) / 1e6,
    openFiles: (await countOpenFiles()) ?? null,
    openFilesMax: limitOfFiles ?? null,
  };
}

function logStatus({ config }: HubBase, { log, publisher }: StatusNeeds): HubStatus['log'] {
  const { epoch, head } = log.state;
  const { events = 0, channels = 0, damagedRanges = 0 } = log.stats();
  return {
    epoch,
    head,
    cursor: encodeCursor(epoch, head),
    events,
    channels,
    damagedRanges,
    queueBytes: publisher.queuedBytes,
    queueBytesMax: config.limits.appendQueueBytesMax,
  };
}

async function storageStatus(folder: string | undefined, { log }: StatusNeeds): Promise<HubStatus['storage']> {
  const { databaseBytes = 0, walBytes = 0 } = log.stats();
  const bytes = databaseBytes + walBytes;
  if (folder === undefined) return { folder: null, databaseBytes: bytes, freeBytes: null, sizeBytes: null };
  return { folder, databaseBytes: bytes, ...(await readDiskSpace(folder)) };
}

function publishStatus({ publisher: { stats } }: StatusNeeds): HubStatus['published'] {
  return { events: stats.published, bytes: stats.bytes, refused: stats.refused, failed: stats.failed };
}

function sessionCounts(sessions: Sessions): Record<TransportName, number> {
  return Object.fromEntries(TRANSPORTS.map((name) => [name, sessions.count(name)])) as Record<TransportName, number>;
}

async function latencyStatus({ metrics }: HubBase): Promise<HubStatus['latency']> {
  return {
    publishToDurable: await metrics.distribution('publishToDurable'),
    publishToWrite: await metrics.distribution('publishToWrite'),
    webhook: await metrics.distribution('webhook'),
    eventLoopDelay: await metrics.distribution('eventLoopDelay'),
  };
}

function readerStatus({ feed, log }: StatusNeeds): HubStatus['readers'] {
  const { readers, behindMax } = feed.lag();
  const { head } = log.state;
  return {
    count: readers,
    lagEventsMax: behindMax,
    slowest: slowestSessions(feed, head).map((session) => ({
      session: session.id,
      transport: session.transport,
      user: session.principal.user ?? null,
      address: session.address,
      channels: session.channels.slice(0, CHANNELS_LISTED_MAX),
      lagEvents: head - session.position,
      since: timestamp(session.sinceMs),
    })),
  };
}

/**
 * The sessions of this process that are farthest behind the head, without those that are at the
 * head. Each process of a hub names its own. It visits only the readers that are behind.
 */
function slowestSessions({ behind }: CorePart['feed'], head: Position): readonly Session[] {
  const slowest: Session[] = [];
  for (const { sink: session } of behind) {
    if (!isRegisteredSession(session)) continue;
    const { position } = session;
    if (position >= head) continue;
    const last = slowest[SLOWEST_MAX - 1];
    if (last !== undefined && last.position <= position) continue;
    slowest.push(session);
    slowest.sort((one, other) => one.position - other.position);
    slowest.length = Math.min(slowest.length, SLOWEST_MAX);
  }
  return slowest;
}

async function subscriptionStatus(
  { engine }: StatusNeeds,
  nowMs: number,
): Promise<Pick<HubStatus, 'subscriptions' | 'webhooks'>> {
  const { webhooks, deadLetters } = engine.counts;
  // One visit of all subscriptions: the history of the status reads it each few seconds.
  const { states, failing } = await engine.overview(LISTED_MAX);
  const stateStatus = Object.entries(states).map(([state, { count, lagEventsMax, lagMsMax }]) => [
    state,
    { count, lagEventsMax, lagSecondsMax: lagMsMax / 1000 },
  ]);
  return {
    subscriptions: {
      states: Object.fromEntries(stateStatus) as HubStatus['subscriptions']['states'],
      failing: failing.map((each) => failingStatus(each, nowMs)),
      deadLetters,
    },
    webhooks: {
      requests: { ...webhooks.outcomes },
      events: webhooks.events,
      retries: webhooks.retries,
      inFlight: webhooks.inFlight,
      waiting: webhooks.connections.waiting,
    },
  };
}

function failingStatus(
  { definition, status: { state, failingSinceMs, sinceMs }, lagEvents }: FailingSubscription,
  nowMs: number,
): HubStatus['subscriptions']['failing'][number] {
  return {
    id: definition.id,
    state,
    url: isWebhook(definition) ? definition.delivery.url : null,
    since: timestamp(Math.min(failingSinceMs ?? sinceMs, nowMs)),
    lagEvents,
  };
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
