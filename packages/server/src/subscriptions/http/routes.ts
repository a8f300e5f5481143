import * as z from 'zod';
import type { AuthorizedRoute, Route } from '../../auth/route.ts';
import { json, response } from '../../http/route-description.ts';
import { anyValue, eventType, named, pattern, text } from '../../http/openapi/schemas.ts';
import { readQuery } from '../../http/query-parameter.ts';
import { actionRoutes } from './action-routes.ts';
import { attemptsRoute } from './attempts-route.ts';
import { deadLetterRoutes } from './dead-letter-routes.ts';
import type { SubscriptionParts } from './parts.ts';
import { eventRoute } from './event-route.ts';
import { namedRoute } from './named-route.ts';
import { portalLinkRoute, portalRoute } from './portal-routes.ts';
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
    ...[
      ...[
        ...resourceRoutes(parts),
        ...actionRoutes(parts),
        attemptsRoute(parts),
        eventRoute(parts),
        ...deadLetterRoutes(parts),
      ].map(aboutSubscriptions),
      eventTypesRoute(parts),
      portalRoute(parts),
    ].map(forPortalLinks),
    ...pullRoutes(parts).map((route): Route => ({ ...route, subscriptionWork: 'worker' })),
    aboutSubscriptions(traceRoute(parts)),
    portalLinkRoute(parts),
    aboutSubscriptions(namedRoute(parts)),
  ];
}

function aboutSubscriptions<Any extends Route>(route: Any): Any {
  return { ...route, subscriptionWork: 'newest' };
}

/**
 * The route accepts portal links too. It sees only subscriptions of the link's owner (`maySee`).
 */
function forPortalLinks(route: AuthorizedRoute): AuthorizedRoute {
  return { ...route, acceptsPortalLink: true };
}

/** The event types of the configuration. */
function eventTypesRoute(parts: SubscriptionParts): AuthorizedRoute {
  const eventTypes = parts.eventTypes.all.map(({ name, description, channels, schema, sample }) => ({
    name,
    description,
    channels,
    schema: schema ?? null,
    sample: sample === undefined ? null : (JSON.parse(sample) as unknown),
  }));
  return scopedRoute(
    'GET',
    '/v1/event-types',
    (request) => {
      readQuery(request.query, []);
      request.respondJson(200, { eventTypes });
    },
    () => ({
      operationId: 'listEventTypes',
      summary: 'Lists the event types of the hub.',
      section: '14.9',
      responses: [
        response(
          200,
          'The catalogue.',
          json(z.object({ eventTypes: z.array(typeSchema()) }), 'The configured event types.'),
        ),
      ],
      errors: ['invalid_parameter'],
    }),
  );
}

const typeSchema = named('EventType', () =>
  z.object({
    name: eventType(),
    description: text({ examples: ['An order was paid.'] }),
    channels: z.array(pattern()),
    schema: anyValue({
      description: 'JSON Schema of the data; `null`: any data.',
      examples: [{ type: 'object', required: ['total'] }],
    }),
    sample: anyValue({ description: 'Sample data; `null` if there is none.', examples: [{ total: 42 }] }),
  }),
);
