import type { Config } from '../config/parse.ts';
import { ByteBudget } from '../core/primitives/byte-budget.ts';
import { ticksOf } from '../core/primitives/timing-wheel.ts';
import type { AuthParts } from '../auth/auth-parts.ts';
import type { RequestParts } from '../auth/authorized-request.ts';
import { ConnectionQuota, type ConnectionQuotaLimits } from '../auth/connection-quota.ts';
import { Reauthorizer } from '../auth/reauthorizer.ts';
import { RefusalLog, type Refusal } from '../auth/refusal-log.ts';
import { TrustedProxies } from '../http/client-address.ts';
import { CacheHeaders } from '../http/headers/cache-headers.ts';
import { OriginPolicy } from '../http/origin/origin-policy.ts';
import type { FrontendParts } from '../http/http-frontend.ts';
import type { PublishParts } from '../publishing/publish-parts.ts';
import type { StreamParts } from '../streams/routes.ts';
import type { OpenPulls } from '../streams/socket-pulls.ts';
import { WebSocketPulls } from '../subscriptions/http/websocket-pulls.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { ClusterHttp } from './cluster/cluster-http.ts';
import type { CorePart } from './core.ts';
import type { HubProcesses } from './processes/hub-processes.ts';
import type { IdentityPart } from './identity.ts';
import type { SessionPart } from './sessions.ts';
import type { TransportServices } from './telemetry.ts';
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
  /** Checks live sessions again. */
  readonly reauthorizer: Reauthorizer;
}

/** The parts that they are made of. */
export interface TransportNeeds extends CorePart, SessionPart, TransportServices {
  readonly identity: IdentityPart;
  readonly engine: SubscriptionEngine;
  readonly processes: HubProcesses | undefined;
  /** Called with each refused request. */
  readonly refused: ((refusal: Refusal) => void) | undefined;
}

export function createTransports(
  base: HubBase,
  needs: TransportNeeds,
  cluster: Pick<ClusterHttp, 'pulls'> | undefined,
): TransportParts {
  const { config, world, wheel, stats, logger, reloader } = base;
  const { log, feed, eventPublisher: publisher, pullService, sessions, presence, engine, processes } = needs;
  const { limits, identity, subscriptions } = config;
  const settings = streamSettings(config);
  const auth = createAuth(base, needs);
  const { originPolicy, refusalLog, trustedProxies } = auth;
  const body = { wheel, bodyBudget: new ByteBudget(...bodyBounds(limits)), settings: { ...limits } };
  const publishing = { publisher, feed, body, batchEventsMax: limits.batchEventsMax };
  const reauthorizer = new Reauthorizer(auth, ticksOf(identity.site.consentSecondsMin * 1000));
  if (auth.authority.validUntil !== undefined) sessions.listen(reauthorizer);
  reloader.add((next) => () => {
    // All requests share these objects, so each sees the new values.
    Object.assign(settings, streamSettings(next));
    Object.assign(body.settings, next.limits);
    body.bodyBudget.resize(...bodyBounds(next.limits));
    publishing.batchEventsMax = next.limits.batchEventsMax;
  });
  const cacheHeaders = new CacheHeaders(world.random, {
    ...config.delivery,
    credentialHeaders: identity.site.headers,
  });
  const pulls = {
    auth,
    feed,
    stats,
    subscriptions: engine.subscriptions,
    pullService,
    settings: subscriptions,
  };
  const openPulls: OpenPulls = (session) => new WebSocketPulls(pulls, session);
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
      openPulls: processes?.openPulls ?? cluster?.pulls(openPulls) ?? openPulls,
    },
    publishing,
    reauthorizer,
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

/** The bytes of all bodies, and the share of a client, who may always send one body. */
function bodyBounds({ bodiesBytesMax, clientBodiesBytesMax, bodyBytesMax }: Config['limits']): [number, number] {
  return [bodiesBytesMax, Math.max(clientBodiesBytesMax, bodyBytesMax)];
}

function createAuth(
  { config, world: { clock }, wheel, logger, reloader }: HubBase,
  { sessions, journal, identity: { authority, store }, refused, processes }: TransportNeeds,
): AuthParts {
  const { trustedProxies } = config;
  const originPolicy = new OriginPolicy(config.allowedOrigins, config.identity.site.headers, config.localPages);
  const connectionQuota = new ConnectionQuota(sessions, quotaLimits(config));
  reloader.add((next) => () => {
    originPolicy.setAllowedOrigins(next.allowedOrigins);
    connectionQuota.setLimits(quotaLimits(next));
  });
  return {
    authority: processes?.authority(authority) ?? authority,
    portalLinks: store.portalLinks,
    clock,
    wheel,
    logger,
    originPolicy,
    trustedProxies: new TrustedProxies(trustedProxies, config.forwardedHeader),
    connectionQuota,
    refusalLog: new RefusalLog(logger, (refusal) => {
      journal?.refused(refusal);
      processes?.refused(refusal);
      refused?.(refusal);
    }),
    settings: authSettings(config),
  };
}

function quotaLimits({ limits, trustedProxies }: Config): ConnectionQuotaLimits {
  return {
    ...limits,
    // Without trusted proxies the address is that of the connection, which has its own limit.
    connectionsPerPublicAddressMax: trustedProxies.length > 0 ? limits.connectionsPerPublicAddressMax : null,
  };
}
