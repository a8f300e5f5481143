import { hubMetrics } from '../operate/hub-metrics.ts';
import type { PresenceTask } from '../presence/presence-task.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';
import type { HttpPart } from './http.ts';
import type { IdentityPart } from './identity.ts';

/** The parts of a hub that metrics are read from. */
export interface MeasuredParts extends CorePart {
  readonly identity: IdentityPart;
  readonly presence: PresenceTask;
  readonly engine: SubscriptionEngine;
  readonly http: HttpPart;
}

/** Shows the counts of all parts on the metrics page. */
export function registerMetrics(
  { metrics, stats }: HubBase,
  { log, feed, publisher, identity, presence, engine, http }: MeasuredParts,
): void {
  const { store, tokens, site } = identity;
  const { parts, dialects, frontend, certificate, revoked } = http;
  metrics.register(
    hubMetrics({
      log,
      feed,
      publisher,
      sessions: parts.streams.sessions,
      deliveries: stats.deliveries,
      transport: stats,
      http2: () => frontend.http2.stats,
      certificate: () => certificate?.stats,
      site: () => site.stats,
      presence: () => presence.stats,
      subscriptions: () => engine.metrics,
      identity: () => ({
        tokens: tokens.stats,
        issuers: tokens.issuers,
        keys: { count: store.keys.count, ...store.keys.stats },
        revocations: { kept: store.revocations.size, made: store.revocations.made },
        dismissed: revoked.count,
      }),
      refusals: () => parts.request.auth.refusalLog.counts,
      socketsRefused: () => frontend.socketsRefused,
      held: () => ({
        bodyBudget: parts.request.body.bodyBudget,
        unread_answers: frontend.unreadResponses,
        ...presence.held,
        ...dialects.memoryUsage,
        ...site.held,
        ...log.memoryUsage,
      }),
      memory: () => process.memoryUsage(),
    }),
  );
}
