import * as z from 'zod';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { AuthorizedRoute } from '../../auth/route.ts';
import { routeMaker } from '../../auth/route-maker.ts';
import { json, response } from '../../http/route-description.ts';
import { cursor, page as pageOf } from '../../http/openapi/schemas.ts';
import { beforeParameter, limitParameter, readQuery, textParameter } from '../../http/query-parameter.ts';
import { attempt, NEXT } from './schemas.ts';
import { mayKnow, subscriptionResource, type CurrentSubscription } from './subscription-access.ts';
import { parseEventId } from './event-positions.ts';
import type { SubscriptionParts } from './parts.ts';
import { attemptJson } from './bodies/subscription-json.ts';

const LIMIT = limitParameter(100, 50, 'The maximum number of entries.');
const EVENT = textParameter('event', cursor(), 'Only attempts of this event, of this log or an earlier one.');
const PARAMETERS = [LIMIT, beforeParameter, EVENT];

/**
 * `GET /v1/subscriptions/{id}/attempts` (PROTOCOL.md section 14.1): the attempts and their
 * outcomes.
 */
export function attemptsRoute(parts: SubscriptionParts): AuthorizedRoute {
  return routeMaker(subscriptionResource(parts))(
    'GET',
    '/attempts',
    (request, current) => attempts(parts, request, current),
    () => ({
      operationId: 'listAttempts',
      summary: 'Lists delivery attempts, newest first.',
      parameters: PARAMETERS,
      responses: [response(200, 'A page.', json(pageOf('attempts', attempt(), z.int()), NEXT))],
      errors: ['invalid_parameter', 'invalid_cursor'],
    }),
  );
}

async function attempts(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const values = readQuery(request.query, PARAMETERS);
  const limit = LIMIT.read(values);
  const event = EVENT.read(values);
  const found = await parts.subscriptions.attempts(current().definition.id, {
    before: beforeParameter.read(values),
    limit: limit + 1,
    ...(event !== undefined && { event: parseEventId(parts, event) }),
  });
  const page = found.slice(0, limit);
  const { definition } = current();
  const { auth } = parts;
  request.respondJson(200, {
    attempts: page.map((each) =>
      attemptJson(parts, each, mayKnow(auth, request.principal, definition, each.startedMs)),
    ),
    next: found.length > limit ? (page.at(-1)?.number ?? null) : null,
  });
}
