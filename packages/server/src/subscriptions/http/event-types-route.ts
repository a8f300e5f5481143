import type { EventTypes } from '../../core/events/event-types.ts';
import type { Route } from '../../http/route.ts';
import { singleParameters } from '../../http/single-parameters.ts';
import { scopedRoute } from './subscription-access.ts';

/** `GET /v1/event-types` (PROTOCOL.md section 14.9): the event types of the configuration. */
export function eventTypesRoutes(parts: { readonly eventTypes: EventTypes }): readonly Route[] {
  const eventTypes = parts.eventTypes.all.map(({ name, description, channels, schema, sample }) => ({
    name,
    description,
    channels,
    schema: schema ?? null,
    sample: sample === undefined ? null : (JSON.parse(sample) as unknown),
  }));
  return [
    scopedRoute('GET', '/v1/event-types', (request) => {
      singleParameters(request.query, []);
      request.respondJson(200, { eventTypes });
    }),
  ];
}
