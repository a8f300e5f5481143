import { ByteBudget } from '../core/primitives/byte-budget.ts';
import { ticksOf } from '../core/primitives/timing-wheel.ts';
import type { AuthParts } from '../auth/auth-parts.ts';
import type { RequestParts } from '../auth/authorized-request.ts';
import { ConnectionQuota } from '../auth/connection-quota.ts';
import { Reauthorizer } from '../auth/reauthorizer.ts';
import { RefusalLog, type Refusal } from '../auth/refusal-log.ts';
import { TrustedProxies } from '../http/client-address.ts';
import { CacheHeaders } from '../http/headers/cache-headers.ts';
import { OriginPolicy } from '../http/origin/origin-policy.ts';
import type { FrontendParts } from '../http/http-frontend.ts';
import type { PublishParts } from '../publishing/publish-parts.ts';
import type { StreamParts } from '../streams/routes.ts';
import { WebSocketPulls } from '../subscriptions/http/websocket-pulls.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';
import type { IdentityPart } from './identity.ts';
import type { SessionPart } from './sessions.ts';
import { authSettings, streamSettings } from './transport-settings.ts';

/**
 * The parts of HTTP, one object for each folder. All requests share them, so that the hot paths see
 * one shape and allocate nothing.
 */
export interface TransportParts {
  readonly request: RequestParts;
  readonly streams: StreamParts;
  readonly publishing: PublishParts;
  readonly frontend: FrontendParts;
}

/** The parts that they are made of. */
export interface TransportNeeds extends CorePart, SessionPart {
  readonly identity: IdentityPart;
  readonly engine: SubscriptionEngine;
  /** Called with each refused request. */
  readonly refused: ((refusal: Refusal) => void) | undefined;
}

export function createTransports(base: HubBase, needs: TransportNeeds): TransportParts {
  const { config, world, wheel, stats, logger } = base;
  const { log, feed, publisher, sessions, presence, engine } = needs;
  const { limits, identity, subscriptions } = config;
  const settings = streamSettings(config);
  const auth = createAuth(base, needs);
  const { originPolicy, refusalLog, trustedProxies } = auth;
  // A client may always send one body.
  const clientBytesMax = Math.max(limits.clientBodiesBytesMax, limits.bodyBytesMax);
  const body = { wheel, bodyBudget: new ByteBudget(limits.bodiesBytesMax, clientBytesMax), settings: limits };
  if (auth.authority.validUntil !== undefined)
    sessions.listen(new Reauthorizer(auth, ticksOf(identity.site.consentSecondsMin * 1000)));
  const cacheHeaders = new CacheHeaders(world.random, {
    ...config.delivery,
    credentialHeaders: identity.site.headers,
  });
  const pulls = {
    auth,
    feed,
    stats,
    subscriptions: engine.subscriptions,
    pullService: engine.pullService,
    settings: subscriptions,
  };
  return {
    request: { auth, body },
    streams: {
      auth,
      feed,
      log,
      sessions,
      wheel,
      stats,
      settings,
      cacheHeaders,
      presence,
      publisher,
      openPulls: (session) => new WebSocketPulls(pulls, session),
    },
    publishing: { publisher, feed, body, batchEventsMax: limits.batchEventsMax },
    frontend: {
      originPolicy,
      refusalLog,
      trustedProxies,
      logger,
      wheel,
      stats,
      stalledTicks: settings.session.stalledTicks,
    },
  };
}

function createAuth(
  { config, world: { clock }, wheel, logger }: HubBase,
  { sessions, identity: { authority }, refused }: TransportNeeds,
): AuthParts {
  const { limits, identity, trustedProxies } = config;
  return {
    authority,
    clock,
    wheel,
    logger,
    originPolicy: new OriginPolicy(config.allowedOrigins, identity.site.headers, config.localPages),
    trustedProxies: new TrustedProxies(trustedProxies, config.forwardedHeader),
    connectionQuota: new ConnectionQuota(sessions, {
      ...limits,
      // Without trusted proxies the address is that of the connection, which has its own limit.
      connectionsPerPublicAddressMax: trustedProxies.length > 0 ? limits.connectionsPerPublicAddressMax : null,
    }),
    refusalLog: new RefusalLog(logger, refused),
    settings: authSettings(config),
  };
}
