import { ByteBudget } from '../core/primitives/byte-budget.ts';
import { ticksOf } from '../core/primitives/timing-wheel.ts';
import { ConnectionQuota } from '../auth/connection-quota.ts';
import { Reauthorizer } from '../auth/reauthorizer.ts';
import { RefusalLog, type Refusal } from '../auth/refusal-log.ts';
import { Sessions } from '../auth/sessions.ts';
import { TrustedProxies } from '../http/client-address.ts';
import { CacheHeaders } from '../http/headers/cache-headers.ts';
import { OriginPolicy } from '../http/headers/origin-policy.ts';
import type { Services } from '../http/services.ts';
import { openPresence } from '../presence/open-presence.ts';
import type { PresenceTask } from '../presence/presence-task.ts';
import type { Storage } from '../storage/open-storage.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';
import type { IdentityPart } from './identity.ts';
import { transportSettings } from './transport-settings.ts';

/** The live sessions, and the presence that follows from them. */
export interface SessionPart {
  readonly sessions: Sessions;
  readonly presence: PresenceTask;
}

export function openSessions(
  { config, world: { clock }, wheel, logger, shutdown }: HubBase,
  storage: Storage,
  core: CorePart,
): SessionPart {
  const { publisher, log } = core;
  const sessions = new Sessions();
  const presence = openPresence(config, () => storage.openPresence(), { publisher, log, clock, wheel, logger });
  sessions.listen(presence);
  shutdown.add('announcements', () => presence.freeze());
  shutdown.add('connections', () => {
    for (const session of sessions.each()) session.destroy();
  });
  shutdown.add('presence', () => presence.close());
  return { sessions, presence };
}

/** The parts that the transports work with. */
export interface ServiceParts extends CorePart, SessionPart {
  readonly identity: IdentityPart;
  readonly engine: SubscriptionEngine;
  /** Called with each refused request. */
  readonly refused: ((refusal: Refusal) => void) | undefined;
}

export function createServices(
  { config, world: { clock, random }, wheel, stats, logger }: HubBase,
  { log, feed, publisher, sessions, presence, identity: { authority }, engine, refused }: ServiceParts,
): Services {
  const { limits, identity, trustedProxies } = config;
  const services: Services = {
    log,
    feed,
    publisher,
    authority,
    clock,
    random,
    wheel,
    sessions,
    presence,
    pull: { subscriptions: engine.subscriptions, leaseSecondsMax: config.subscriptions.leaseMaxSeconds },
    originPolicy: new OriginPolicy(config.allowedOrigins, identity.site.headers, config.localPages),
    cacheHeaders: new CacheHeaders(random, {
      ...config.delivery,
      credentialHeaders: identity.site.headers,
    }),
    trustedProxies: new TrustedProxies(trustedProxies, config.forwardedHeader),
    connectionQuota: new ConnectionQuota(sessions, {
      ...limits,
      // Without trusted proxies the address is that of the connection, which has its own limit.
      connectionsPerPublicAddressMax: trustedProxies.length > 0 ? limits.connectionsPerPublicAddressMax : null,
    }),
    // A client may always send one body.
    bodyBudget: new ByteBudget(limits.bodiesBytesMax, Math.max(limits.clientBodiesBytesMax, limits.bodyBytesMax)),
    settings: transportSettings(config),
    refusalLog: new RefusalLog(logger, refused),
    stats,
    logger,
  };
  if (authority.validUntil !== undefined)
    sessions.listen(new Reauthorizer(services, ticksOf(identity.site.consentSecondsMin * 1000)));
  return services;
}
