import type { Route } from '../../http/route.ts';
import { actionRoutes } from './action-routes.ts';
import { attemptsRoute } from './attempts-route.ts';
import { deadLetterRoutes } from './dead-letter-routes.ts';
import type { SubscriptionParts } from './parts.ts';
import { pullRoutes } from './pull-routes.ts';
import { resourceRoutes } from './resource-routes.ts';
import { traceRoute } from './trace-route.ts';

/**
 * The routes under `/v1/subscriptions`, and `/v1/events/{id}/deliveries` (PROTOCOL.md section
 * 14.1).
 */
export function subscriptionRoutes(parts: SubscriptionParts): readonly Route[] {
  return [
    ...resourceRoutes(parts),
    ...actionRoutes(parts),
    attemptsRoute(parts),
    ...deadLetterRoutes(parts),
    ...pullRoutes(parts),
    traceRoute(parts),
  ];
}
