import type { EventTypes } from '../../core/event-types.ts';
import { respondJson } from '../../transports/desk.ts';
import type { Route } from '../../transports/http-transport.ts';
import { singles } from '../../transports/single-parameters.ts';
import { forCallers } from '../caller.ts';
import type { SubscriptionParts } from '../parts.ts';

/** `GET /v1/event-types` (PROTOCOL.md section 14.9): what may be subscribed to. */
export function eventTypesRoutes(
  parts: Pick<SubscriptionParts, 'services'> & { readonly eventTypes: EventTypes },
): readonly Route[] {
  const eventTypes = parts.eventTypes.all.map(({ name, description, channels, schema, sample }) => ({
    name,
    description,
    channels,
    schema: schema ?? null,
    sample: sample === undefined ? null : (JSON.parse(sample) as unknown),
  }));
  return [
    {
      method: 'GET',
      path: '/v1/event-types',
      handle: forCallers(parts, ({ response, query }) => {
        singles(query, []);
        respondJson(response, 200, { eventTypes });
      }),
    },
  ];
}
