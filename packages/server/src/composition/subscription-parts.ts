import { trustsLoopback } from '../config/listen.ts';
import type { Config } from '../config/parse.ts';
import type { EventTypes } from '../core/events/event-types.ts';
import type { Audit } from '../core/audit.ts';
import type { PullService } from '../subscriptions/state/pull-service.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import { auditedServices } from '../subscriptions/audited-service.ts';
import type { PortalLinkService, SubscriptionParts } from '../subscriptions/http/parts.ts';
import { DIALECTS } from '../subscriptions/dialects/registry.ts';
import { OriginList } from '../http/origin/origin-list.ts';
import type { StreamParts } from '../streams/routes.ts';

/** The parts of a hub that the HTTP API of subscriptions needs. */
export interface SubscriptionDependencies {
  readonly streams: StreamParts;
  readonly engine: SubscriptionEngine;
  readonly pullService: PullService;
  readonly audit: Audit;
  readonly eventTypes: EventTypes;
  readonly portalLinks: PortalLinkService;
}

/** The parts of the HTTP API of subscriptions. */
export function subscriptionParts(
  config: Config,
  {
    streams: { auth, feed, log, sessions, settings },
    engine,
    pullService,
    audit,
    eventTypes,
    portalLinks,
  }: SubscriptionDependencies,
): SubscriptionParts {
  return {
    auth,
    feed,
    log,
    sessions,
    limits: settings,
    ...auditedServices(engine.subscriptions, audit, auth.clock),
    pullService,
    settings: config.subscriptions,
    dialects: DIALECTS,
    sender: engine.sender,
    isTrustedEndpoint: createEndpointTrust(config.subscriptions.trustedEndpoints, trustsLoopback(config)),
    eventTypes,
    portal: { links: portalLinks, settings: config.portal, publicUrl: config.publicUrl },
  };
}

/**
 * Decides which endpoints need no verification (`subscriptions.trustedEndpoints`).
 * @param loopback whether endpoints on this machine are trusted: true if the hub is reachable only
 * from here
 */
function createEndpointTrust(trustedEndpoints: readonly string[], loopback: boolean): (url: string) => boolean {
  const origins = new OriginList(trustedEndpoints);
  return (text) => {
    const url = URL.parse(text);
    if (url === null) return false;
    return origins.allowsAny || origins.includes(url.origin) || (loopback && LOOPBACK.test(url.hostname));
  };
}

const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])\.?$/;
