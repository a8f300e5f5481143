import { encodeCursor, PolycastError } from '@polycast/protocol';
import type { DeadLetter, EventPlace } from '../core/subscription/ports.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import { NO_STORE } from '../transports/cache-headers.ts';
import { number } from '../transports/events-query.ts';
import type { Route } from '../transports/route.ts';
import { singles } from '../transports/single-parameters.ts';
import { allowDelivery, checkUnchanged, mayKnowChannel, ownersRoute, type OwnedSubscription } from './caller.ts';
import { letterAt, placeOf, recordAt } from './event-places.ts';
import type { SubscriptionParts } from './parts.ts';
import { deadLetterJson } from './resource.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 100;

/** Events that were given up on: looked at, tried again, discarded (PROTOCOL.md section 14.4). */
export function deadLetterRoutes(parts: SubscriptionParts): readonly Route[] {
  const path = '/v1/subscriptions/:id/dead-letters';
  const route = (
    method: Route['method'],
    below: string,
    act: (caller: AuthorizedRequest, owned: OwnedSubscription) => Promise<void>,
  ): Route => ownersRoute(parts, method, path + below, act);
  return [
    route('GET', '', (caller, owned) => list(parts, caller, owned)),
    route('GET', '/:event', (caller, owned) => read(parts, caller, owned)),
    route('POST', '/retry', (caller, owned) => retry(parts, caller, owned, undefined)),
    route('POST', '/:event/retry', async (caller, owned) => {
      await retry(parts, caller, owned, await found(parts, caller, owned));
    }),
    route('DELETE', '', (caller, owned) => discard(parts, caller, owned, undefined)),
    route('DELETE', '/:event', async (caller, owned) => {
      await discard(parts, caller, owned, await found(parts, caller, owned));
    }),
  ];
}

async function list(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const values = singles(caller.query, ['limit', 'after']);
  const limit = number(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const after = values.get('after');
  const letters = await parts.desk.deadLetters(owned().definition.id, {
    after: after === undefined ? undefined : placeOf(parts, after),
    limit: limit + 1,
  });
  const page = letters.slice(0, limit);
  const last = page.at(-1);
  owned();
  caller.respondJson(200, {
    // Those of channels that were taken from it are for those whose scope covers them.
    deadLetters: page
      .filter(({ channel }) => mayKnowChannel(parts.services, caller.principal, channel))
      .map(deadLetterJson),
    next: letters.length > limit && last !== undefined ? encodeCursor(last.epoch, last.position) : null,
  });
}

/** With what was published: that is for those alone who may read it. */
async function read(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const letter = await found(parts, caller, owned);
  await caller.allow('subscribe', [letter.channel]);
  const record = await recordAt(parts, letter, letter.channel);
  const id = encodeCursor(letter.epoch, letter.position);
  // What was published is passed on as it is: numbers are not rounded.
  const payload = record === undefined ? 'null' : `{"id":"${id}",${Buffer.from(record.body).toString()}`;
  const text = `${JSON.stringify(deadLetterJson(letter)).slice(0, -1)},"payload":${payload}}`;
  owned();
  caller.respond(200, 'application/json', text, NO_STORE);
}

async function retry(
  parts: SubscriptionParts,
  caller: AuthorizedRequest,
  owned: OwnedSubscription,
  event: EventPlace | undefined,
): Promise<void> {
  (await caller.members()).end();
  const subscription = owned();
  const { definition } = subscription;
  await allowDelivery(parts.services, caller.principal, definition.channels, undefined);
  checkUnchanged(owned, subscription);
  const retried = await parts.desk.retryDeadLetters(definition.id, event, caller.actor);
  caller.respondJson(202, { retried });
}

async function discard(
  parts: SubscriptionParts,
  caller: AuthorizedRequest,
  owned: OwnedSubscription,
  event: EventPlace | undefined,
): Promise<void> {
  const discarded = await parts.desk.discardDeadLetters(owned().definition.id, event, caller.actor);
  caller.respondJson(200, { discarded });
}

/** @throws PolycastError `invalid_cursor`, `not_found` */
async function found(
  parts: SubscriptionParts,
  { parameters, principal }: AuthorizedRequest,
  owned: OwnedSubscription,
): Promise<DeadLetter> {
  const event = placeOf(parts, parameters['event'] ?? '');
  const letter = await letterAt(parts, owned().definition.id, event);
  if (letter !== undefined && mayKnowChannel(parts.services, principal, letter.channel)) return letter;
  throw new PolycastError('not_found', 'There is no such dead letter.');
}
