import type { EventTypes } from '../../core/event-types.ts';
import type { Route } from '../../transports/route.ts';
import { singles } from '../../transports/single-parameters.ts';
import { callersRoute } from '../caller.ts';

/** `GET /v1/event-types` (PROTOCOL.md section 14.9): what may be subscribed to. */
export function eventTypesRoutes(parts: { readonly eventTypes: EventTypes }): readonly Route[] {
  const eventTypes = parts.eventTypes.all.map(({ name, description, channels, schema, sample }) => ({
    name,
    description,
    channels,
    schema: schema ?? null,
    sample: sample === undefined ? null : (JSON.parse(sample) as unknown),
  }));
  return [
    callersRoute('GET', '/v1/event-types', (caller) => {
      singles(caller.query, []);
      caller.respondJson(200, { eventTypes });
    }),
  ];
}
