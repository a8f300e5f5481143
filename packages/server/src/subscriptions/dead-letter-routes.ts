import { encodeCursor, PolycastError } from '@polycast/protocol';
import type { DeadLetter, EventPlace, Subscription } from '../core/subscription/ports.ts';
import { respondJson, type Desk } from '../transports/desk.ts';
import { number } from '../transports/events-query.ts';
import type { Route } from '../transports/http-transport.ts';
import { Members, readObject } from '../transports/json-body.ts';
import { allow } from '../transports/permission.ts';
import { respond } from '../transports/respond.ts';
import { singles } from '../transports/single-parameters.ts';
import { forOwners } from './caller.ts';
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
    act: (caller: Desk, subscription: Subscription) => Promise<void>,
  ): Route => ({ method, path: path + below, handle: forOwners(parts, act) });
  return [
    route('GET', '', (caller, subscription) => list(parts, caller, subscription)),
    route('GET', '/:event', (caller, subscription) => read(parts, caller, subscription)),
    route('POST', '/retry', (caller, subscription) => retry(parts, caller, subscription, undefined)),
    route('POST', '/:event/retry', async (caller, subscription) => {
      await retry(parts, caller, subscription, await found(parts, caller, subscription));
    }),
    route('DELETE', '', (caller, subscription) => discard(parts, caller, subscription, undefined)),
    route('DELETE', '/:event', async (caller, subscription) => {
      await discard(parts, caller, subscription, await found(parts, caller, subscription));
    }),
  ];
}

async function list(parts: SubscriptionParts, { response, query }: Desk, { definition }: Subscription): Promise<void> {
  const values = singles(query, ['limit', 'after']);
  const limit = number(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const after = values.get('after');
  const letters = await parts.desk.deadLetters(definition.id, {
    after: after === undefined ? undefined : placeOf(parts, after),
    limit: limit + 1,
  });
  const page = letters.slice(0, limit);
  const last = page.at(-1);
  respondJson(response, 200, {
    deadLetters: page.map(deadLetterJson),
    next: letters.length > limit && last !== undefined ? encodeCursor(last.epoch, last.position) : null,
  });
}

/** With what was published: that is for those alone who may read it. */
async function read(parts: SubscriptionParts, caller: Desk, subscription: Subscription): Promise<void> {
  const { services } = parts;
  const letter = await found(parts, caller, subscription);
  await allow(services, caller.principal, 'subscribe', [letter.channel]);
  const record = await recordAt(parts, letter, letter.channel);
  const id = encodeCursor(letter.epoch, letter.position);
  // What was published is passed on as it is: numbers are not rounded.
  const payload = record === undefined ? 'null' : `{"id":"${id}",${Buffer.from(record.body).toString()}`;
  const text = `${JSON.stringify(deadLetterJson(letter)).slice(0, -1)},"payload":${payload}}`;
  respond(caller.response, 200, 'application/json', text, ['Cache-Control', 'no-store']);
}

async function retry(
  parts: SubscriptionParts,
  { request, response, actor }: Desk,
  { definition }: Subscription,
  event: EventPlace | undefined,
): Promise<void> {
  new Members(await readObject(parts.services, request)).end();
  const retried = await parts.desk.retryDeadLetters(definition.id, event, actor);
  respondJson(response, 202, { retried });
}

async function discard(
  parts: SubscriptionParts,
  { response, actor }: Desk,
  { definition }: Subscription,
  event: EventPlace | undefined,
): Promise<void> {
  const discarded = await parts.desk.discardDeadLetters(definition.id, event, actor);
  respondJson(response, 200, { discarded });
}

/** @throws PolycastError `invalid_cursor`, `not_found` */
async function found(
  parts: SubscriptionParts,
  { parameters }: Desk,
  { definition }: Subscription,
): Promise<DeadLetter> {
  const event = placeOf(parts, parameters['event'] ?? '');
  const letter = await letterAt(parts, definition.id, event);
  if (letter !== undefined) return letter;
  throw new PolycastError('not_found', 'There is no such dead letter.');
}
