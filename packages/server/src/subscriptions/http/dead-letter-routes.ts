import { encodeCursor, PolycastError } from '@polycast/protocol';
import { integerParameter, singleParameters } from '../../http/query.ts';
import type { DeadLetter, EventPosition } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { NO_STORE } from '../../http/headers/cache-headers.ts';
import type { Route } from '../../auth/route.ts';
import {
  authorizeDelivery,
  checkUnchanged,
  mayKnowChannel,
  subscriptionRoute,
  type CurrentSubscription,
} from './subscription-access.ts';
import { deadLetterAt, parseEventId, recordAt } from './event-positions.ts';
import type { SubscriptionParts } from './parts.ts';
import { deadLetterJson } from './bodies/subscription-json.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 100;

/** Routes that list, read, retry and discard dead letters (PROTOCOL.md section 14.4). */
export function deadLetterRoutes(parts: SubscriptionParts): readonly Route[] {
  const path = '/v1/subscriptions/:id/dead-letters';
  const route = (
    method: Route['method'],
    below: string,
    act: (request: AuthorizedRequest, current: CurrentSubscription) => Promise<void>,
  ): Route => subscriptionRoute(parts, method, path + below, act);
  return [
    route('GET', '', (request, current) => list(parts, request, current)),
    route('GET', '/:event', (request, current) => read(parts, request, current)),
    route('POST', '/retry', (request, current) => retry(parts, request, current, undefined)),
    route('POST', '/:event/retry', async (request, current) => {
      await retry(parts, request, current, await findDeadLetter(parts, request, current));
    }),
    route('DELETE', '', (request, current) => discard(parts, request, current, undefined)),
    route('DELETE', '/:event', async (request, current) => {
      await discard(parts, request, current, await findDeadLetter(parts, request, current));
    }),
  ];
}

async function list(parts: SubscriptionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const values = singleParameters(request.query, ['limit', 'after']);
  const limit = integerParameter(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const after = values.get('after');
  const deadLetters = await parts.subscriptions.deadLetters(current().definition.id, {
    after: after === undefined ? undefined : parseEventId(parts, after),
    limit: limit + 1,
  });
  const page = deadLetters.slice(0, limit);
  const last = page.at(-1);
  current();
  request.respondJson(200, {
    // A channel may have been removed from the subscription. Its dead letters are visible only to
    // callers whose scope covers it.
    deadLetters: page
      .filter(({ channel }) => mayKnowChannel(parts.auth, request.principal, channel))
      .map(deadLetterJson),
    next: deadLetters.length > limit && last !== undefined ? encodeCursor(last.epoch, last.position) : null,
  });
}

/**
 * Returns a dead letter with its payload, so the caller needs permission to subscribe to the
 * channel.
 */
async function read(parts: SubscriptionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const deadLetter = await findDeadLetter(parts, request, current);
  await request.authorize('subscribe', [deadLetter.channel]);
  const record = await recordAt(parts, deadLetter, deadLetter.channel);
  const id = encodeCursor(deadLetter.epoch, deadLetter.position);
  // The payload is passed on as text, so numbers are not rounded.
  const payload = record === undefined ? 'null' : `{"id":"${id}",${Buffer.from(record.body).toString()}`;
  const text = `${JSON.stringify(deadLetterJson(deadLetter)).slice(0, -1)},"payload":${payload}}`;
  current();
  request.respond(200, 'application/json', text, NO_STORE);
}

async function retry(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
  event: EventPosition | undefined,
): Promise<void> {
  (await request.members()).rejectUnknown();
  const subscription = current();
  const { definition } = subscription;
  await authorizeDelivery(parts, request.principal, definition.channels, undefined);
  checkUnchanged(current, subscription);
  const retried = await parts.subscriptions.retryDeadLetters(definition.id, event, request.actor);
  request.respondJson(202, { retried });
}

async function discard(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
  event: EventPosition | undefined,
): Promise<void> {
  const discarded = await parts.subscriptions.discardDeadLetters(current().definition.id, event, request.actor);
  request.respondJson(200, { discarded });
}

/** @throws PolycastError `invalid_cursor`, `not_found` */
async function findDeadLetter(
  parts: SubscriptionParts,
  { parameters, principal }: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<DeadLetter> {
  const event = parseEventId(parts, parameters['event'] ?? '');
  const deadLetter = await deadLetterAt(parts, current().definition.id, event);
  if (deadLetter !== undefined && mayKnowChannel(parts.auth, principal, deadLetter.channel)) return deadLetter;
  throw new PolycastError('not_found', 'The dead letter does not exist.');
}
