import type { Route } from '../../auth/route.ts';
import { singleParameters } from '../../http/query.ts';
import { actionRoutes } from './action-routes.ts';
import { attemptsRoute } from './attempts-route.ts';
import { deadLetterRoutes } from './dead-letter-routes.ts';
import type { SubscriptionParts } from './parts.ts';
import { pullRoutes } from './pull-routes.ts';
import { resourceRoutes } from './resource-routes.ts';
import { scopedRoute } from './subscription-access.ts';
import { traceRoute } from './trace-route.ts';

/**
 * The routes under `/v1/subscriptions`, `/v1/events/{id}/deliveries` and `/v1/event-types`
 * (PROTOCOL.md sections 14.1 and 14.9).
 */
export function subscriptionRoutes(parts: SubscriptionParts): readonly Route[] {
  return [
    ...resourceRoutes(parts),
    ...actionRoutes(parts),
    attemptsRoute(parts),
    ...deadLetterRoutes(parts),
    ...pullRoutes(parts),
    traceRoute(parts),
    eventTypesRoute(parts),
  ];
}

/** The event types of the configuration. */
function eventTypesRoute(parts: SubscriptionParts): Route {
  const eventTypes = parts.eventTypes.all.map(({ name, description, channels, schema, sample }) => ({
    name,
    description,
    channels,
    schema: schema ?? null,
    sample: sample === undefined ? null : (JSON.parse(sample) as unknown),
  }));
  return scopedRoute('GET', '/v1/event-types', (request) => {
    singleParameters(request.query, []);
    request.respondJson(200, { eventTypes });
  });
}
