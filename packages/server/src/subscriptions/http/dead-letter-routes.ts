import * as z from 'zod';
import { encodeCursor, PolycastError } from '@polycast/protocol';
import type { DeadLetter, EventPosition } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { NO_STORE } from '../../http/headers/cache-headers.ts';
import type { AuthorizedRoute } from '../../auth/route.ts';
import { routeMaker } from '../../auth/route-maker.ts';
import { noMembers } from '../../http/body/body-schema.ts';
import { json, response, type ResponseDescription } from '../../http/route-description.ts';
import { count, cursor, page as pageOf } from '../../http/openapi/schemas.ts';
import { limitParameter, readQuery, textParameter } from '../../http/query-parameter.ts';
import {
  authorizeDelivery,
  checkUnchanged,
  mayKnowChannel,
  subscriptionResource,
  type CurrentSubscription,
} from './subscription-access.ts';
import { deadLetterAt, parseEventId, recordAt } from './event-positions.ts';
import type { SubscriptionParts } from './parts.ts';
import { deadLetter, eventId, NEXT } from './schemas.ts';
import { deadLetterJson } from './bodies/subscription-json.ts';

const LIMIT = limitParameter(100, 50, 'The maximum number of entries.');
const AFTER = textParameter('after', cursor(), '`next` of the previous page.');
const PARAMETERS = [LIMIT, AFTER];

type Handle = (request: AuthorizedRequest, current: CurrentSubscription) => Promise<void>;
/** @param event the dead letter of the path; `undefined` for all of them */
type Act = (
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
  event: EventPosition | undefined,
) => Promise<void>;

/** Routes that list, read, retry and discard dead letters (PROTOCOL.md section 14.4). */
export function deadLetterRoutes(parts: SubscriptionParts): readonly AuthorizedRoute[] {
  const resource = subscriptionResource(parts);
  const route = routeMaker({ ...resource, path: `${resource.path}/dead-letters` });
  const all =
    (act: Act): Handle =>
    (request, current) =>
      act(parts, request, current, undefined);
  const one =
    (act: Act): Handle =>
    async (request, current) =>
      act(parts, request, current, await findDeadLetter(parts, request, current));
  return [
    route('GET', '', all(list), () => ({
      operationId: 'listDeadLetters',
      summary: 'Lists dead letters, oldest first.',
      parameters: PARAMETERS,
      responses: [response(200, 'A page.', json(pageOf('deadLetters', deadLetter(), cursor()), NEXT))],
      errors: ['invalid_parameter', 'invalid_cursor'],
    })),
    route('GET', '/:event', all(read), () => ({
      operationId: 'readDeadLetter',
      summary: 'Reads a dead letter with its event.',
      parameters: [eventId('event')],
      responses: [response(200, 'The dead letter.', json(deadLetter(), 'The dead letter with its `payload`.'))],
      errors: ['invalid_cursor'],
    })),
    route('POST', '/retry', all(retry), () => ({
      operationId: 'retryDeadLetters',
      summary: 'Retries all dead letters.',
      details:
        'The number is limited by the open events of the subscription. Dead letters of an earlier log are skipped.',
      responses: [retried()],
      errors: ['subscription_not_active'],
    })),
    route('POST', '/:event/retry', one(retry), () => ({
      operationId: 'retryDeadLetter',
      summary: 'Retries a dead letter.',
      details: 'For a dead letter of an earlier log: `404 not_found`. It can be discarded.',
      parameters: [eventId('event')],
      responses: [retried()],
      errors: ['invalid_cursor', 'subscription_not_active'],
    })),
    route('DELETE', '', all(discard), () => ({
      operationId: 'discardDeadLetters',
      summary: 'Discards all dead letters.',
      responses: [discarded()],
    })),
    route('DELETE', '/:event', one(discard), () => ({
      operationId: 'discardDeadLetter',
      summary: 'Discards a dead letter.',
      parameters: [eventId('event')],
      responses: [discarded()],
      errors: ['invalid_cursor'],
    })),
  ];
}

const retried = (): ResponseDescription => response(202, 'Done.', json(z.object({ retried: count() }), 'How many.'));
const discarded = (): ResponseDescription =>
  response(200, 'Done.', json(z.object({ discarded: count() }), 'How many.'));

async function list(parts: SubscriptionParts, request: AuthorizedRequest, current: CurrentSubscription): Promise<void> {
  const values = readQuery(request.query, PARAMETERS);
  const limit = LIMIT.read(values);
  const after = AFTER.read(values);
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
  await request.parse(noMembers);
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
