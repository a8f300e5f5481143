import { trustsLoopback } from '../config/listen.ts';
import type { Config } from '../config/parse.ts';
import type { EventTypes } from '../core/events/event-types.ts';
import type { Audit } from '../core/ports.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import { auditedService } from '../subscriptions/audited-service.ts';
import type { SubscriptionParts } from '../subscriptions/http/parts.ts';
import { createEndpointTrust } from '../subscriptions/http/trusted-endpoints.ts';
import { DIALECTS } from '../subscriptions/dialects/registry.ts';
import type { Services } from '../http/services.ts';

/** The parts of a hub that the HTTP API of subscriptions needs. */
export interface SubscriptionDependencies {
  readonly services: Services;
  readonly engine: SubscriptionEngine;
  readonly audit: Audit;
  readonly eventTypes: EventTypes;
}

/** The parts of the HTTP API of subscriptions. */
export function subscriptionParts(
  config: Config,
  { services, engine, audit, eventTypes }: SubscriptionDependencies,
): SubscriptionParts {
  return {
    services,
    subscriptions: auditedService(engine.subscriptions, audit),
    settings: config.subscriptions,
    dialects: DIALECTS,
    sender: engine.sender,
    isTrustedEndpoint: createEndpointTrust(config.subscriptions.trustedEndpoints, trustsLoopback(config)),
    sampleOf: (type) => eventTypes.get(type)?.sample,
  };
}
