import { hubMetrics } from '../operate/hub-metrics.ts';
import { readDiskSpace } from '../operate/host-resources.ts';
import { packageVersion } from '../platform/package-files.ts';
import { dataFolderOf } from '../storage/data-setting.ts';
import type { PresenceService } from '../presence/presence-task.ts';
import type { SessionJournal } from '../sessions/session-journal.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';
import type { HttpPart } from './http.ts';
import type { HubProcesses } from './processes/hub-processes.ts';
import type { IdentityPart } from './identity.ts';

/** The parts of a hub that metrics are read from. */
export interface MeasuredParts extends CorePart {
  readonly identity: IdentityPart;
  readonly journal: SessionJournal | undefined;
  readonly presence: PresenceService;
  readonly engine: SubscriptionEngine;
  readonly http: HttpPart;
  readonly processes: HubProcesses | undefined;
}

/** Shows the counts of all parts on the metrics page. */
export function registerMetrics(
  { config, connectionsMax, reloader, metrics, stats, telemetryStats }: HubBase,
  { log, feed, publisher, identity, journal, presence, engine, http, processes }: MeasuredParts,
): void {
  const { store, tokens, site } = identity;
  const { parts, dialects, frontend, certificate, revoked } = http;
  const folder = dataFolderOf(config.data);
  const { sessions } = parts.streams;
  metrics.register(
    hubMetrics({
      version: packageVersion(),
      limits: {
        get connectionsMax() {
          return connectionsMax(reloader.config);
        },
        appendQueueBytesMax: config.limits.appendQueueBytesMax,
      },
      log,
      feed,
      publisher,
      // The followers' sessions are on their own pages.
      sessions: { count: (transport) => sessions.count(transport) - (processes?.countElsewhere(transport) ?? 0) },
      deliveries: stats.deliveries,
      transport: stats,
      http2: () => frontend.http2?.stats ?? { connections: 0, streams: 0, floods: 0 },
      certificate: () => certificate?.stats,
      site: () => site.stats,
      sessionJournal: () => ({ waiting: journal?.waitingCount ?? 0, lost: journal?.lostCount ?? 0 }),
      presence: () => presence.stats,
      subscriptions: () => engine.counts,
      subscriptionLag: () => engine.measureLag(),
      identity: () => ({
        tokens: tokens.stats,
        issuers: tokens.issuers,
        keys: { count: store.keys.count, ...store.keys.stats },
        revocations: { kept: store.revocations.size, made: store.revocations.made },
        dismissed: revoked.count,
      }),
      refusals: () => parts.request.auth.refusalLog.counts,
      connections: () => frontend.countConnections(),
      socketsRefused: () => frontend.socketsRefused,
      buffers: () => ({
        request_bodies: parts.request.body.bodyBudget,
        unread_responses: frontend.unreadResponses,
        ...presence.held,
        ...dialects.memoryUsage,
        ...site.held,
        ...log.memoryUsage,
      }),
      disk: async () => (folder === undefined ? undefined : readDiskSpace(folder)),
      telemetry: () => telemetryStats,
    }),
  );
}
