import type { Config } from '../config/schema.ts';
import type { EventTypes } from '../core/event-types.ts';
import type { Audit } from '../core/ports.ts';
import type { Deliveries } from '../deliveries/deliveries.ts';
import { auditedDesk } from '../subscriptions/audited-desk.ts';
import type { SubscriptionParts } from '../subscriptions/parts.ts';
import { createTrust } from '../subscriptions/trust.ts';
import { tellingDesk } from '../subscriptions/websub/telling-desk.ts';
import type { Services } from '../transports/services.ts';

/** What a hub has that those need who ask for subscriptions by HTTP. */
export interface SubscriptionNeeds {
  readonly services: Services;
  readonly deliveries: Deliveries;
  readonly audit: Audit;
  readonly eventTypes: EventTypes;
}

/** Durable subscriptions as they are asked for by HTTP. */
export function subscriptionParts(
  config: Config,
  { services, deliveries, audit, eventTypes }: SubscriptionNeeds,
): SubscriptionParts {
  return {
    services,
    desk: tellingDesk(auditedDesk(deliveries.desk, audit), deliveries.sender),
    settings: config.subscriptions,
    objection: (url) => deliveries.sender.objection(url),
    trusts: createTrust(config.subscriptions.trustedEndpoints, config.access === 'loopback'),
    sampleOf: (type) => eventTypes.get(type)?.sample,
  };
}
