import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import { invalid, number } from '../transports/events-query.ts';
import type { Route } from '../transports/route.ts';
import { singles } from '../transports/single-parameters.ts';
import { mayKnow, ownersRoute, type OwnedSubscription } from './caller.ts';
import { placeOf } from './event-places.ts';
import type { SubscriptionParts } from './parts.ts';
import { attemptJson } from './resource.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 100;

/** `GET /v1/subscriptions/{id}/attempts` (PROTOCOL.md section 14.1): what has been tried, and what became of it. */
export function attemptsRoute(parts: SubscriptionParts): Route {
  return ownersRoute(parts, 'GET', '/v1/subscriptions/:id/attempts', (caller, owned) => attempts(parts, caller, owned));
}

async function attempts(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const values = singles(caller.query, ['limit', 'before', 'event']);
  const limit = number(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const event = values.get('event');
  const found = await parts.desk.attempts(owned().definition.id, {
    before: before(values.get('before')),
    limit: limit + 1,
    ...(event !== undefined && { event: placeOf(parts, event) }),
  });
  const page = found.slice(0, limit);
  const { definition } = owned();
  const { services } = parts;
  caller.respondJson(200, {
    attempts: page.map((each) => attemptJson(each, mayKnow(services, caller.principal, definition, each.startedMs))),
    next: found.length > limit ? (page.at(-1)?.number ?? null) : null,
  });
}

function before(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid('before', 'must be the `next` of a page');
}
