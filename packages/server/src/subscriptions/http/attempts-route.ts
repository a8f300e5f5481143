import { integerParameter, invalidParameter, singleParameters } from '../../http/query.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { Route } from '../../auth/route.ts';
import { mayKnow, subscriptionRoute, type CurrentSubscription } from './subscription-access.ts';
import { parseEventId } from './event-positions.ts';
import type { SubscriptionParts } from './parts.ts';
import { attemptJson } from './bodies/subscription-json.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 100;

/**
 * `GET /v1/subscriptions/{id}/attempts` (PROTOCOL.md section 14.1): the attempts and their
 * outcomes.
 */
export function attemptsRoute(parts: SubscriptionParts): Route {
  return subscriptionRoute(parts, 'GET', '/v1/subscriptions/:id/attempts', (request, current) =>
    attempts(parts, request, current),
  );
}

async function attempts(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const values = singleParameters(request.query, ['limit', 'before', 'event']);
  const limit = integerParameter(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const event = values.get('event');
  const found = await parts.subscriptions.attempts(current().definition.id, {
    before: before(values.get('before')),
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

function before(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidParameter('before', 'must be the `next` of a page');
}
