import * as z from 'zod';
import { encodeCursor, PolycastError } from '@polycast/protocol';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { AuthorizedRoute } from '../../auth/route.ts';
import { routeMaker } from '../../auth/route-maker.ts';
import { NO_STORE } from '../../http/headers/cache-headers.ts';
import { anyValue, cursor } from '../../http/openapi/schemas.ts';
import { json, response } from '../../http/route-description.ts';
import { parseEventId, recordAt } from './event-positions.ts';
import type { SubscriptionParts } from './parts.ts';
import { eventId } from './schemas.ts';
import { mayKnowChannel, subscriptionResource, type CurrentSubscription } from './subscription-access.ts';

/**
 * `GET /v1/subscriptions/{id}/events/{event}` (PROTOCOL.md section 14.1): an event that the
 * subscription matches, as it was published. It shows what an attempt has sent.
 */
export function eventRoute(parts: SubscriptionParts): AuthorizedRoute {
  return routeMaker(subscriptionResource(parts))(
    'GET',
    '/events/:event',
    (request, current) => read(parts, request, current),
    () => ({
      operationId: 'readSubscriptionEvent',
      summary: 'Reads an event that the subscription matches.',
      details: 'The key also needs the permission to subscribe to the channel of the event.',
      parameters: [eventId('event')],
      responses: [response(200, 'The event.', json(eventSchema, 'The event, or `null` if the log no longer has it.'))],
      errors: ['invalid_cursor'],
    }),
  );
}

const eventSchema = z.object({ event: cursor(), payload: anyValue({ description: 'The event as it was published.' }) });

async function read(parts: SubscriptionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const event = parseEventId(parts, request.parameters['event'] ?? '');
  const record = await recordAt(parts, event, '>');
  const { definition } = current();
  const id = encodeCursor(event.epoch, event.position);
  if (record === undefined) return request.respondJson(200, { event: id, payload: null });
  const isMatch = parts.subscriptions.deliveryStatus(definition.id, record) !== undefined;
  if (!isMatch || !mayKnowChannel(parts.auth, request.principal, record.channel))
    throw new PolycastError('not_found', 'The subscription has no such event.');
  await request.authorize('subscribe', [record.channel]);
  current();
  // The payload is passed on as text, so numbers are not rounded.
  const payload = `{"id":"${id}",${Buffer.from(record.body).toString()}`;
  request.respond(200, 'application/json', `{"event":"${id}","payload":${payload}}`, NO_STORE);
}
