import { matches, PolycastError } from '@polycast/protocol';
import type { Subscription } from '../core/subscription/ports.ts';
import { respondJson, type Desk } from '../transports/desk.ts';
import { checkPattern, invalid, number } from '../transports/events-query.ts';
import type { Route } from '../transports/http-transport.ts';
import { readObject } from '../transports/json-body.ts';
import { idempotencyKeyOf } from '../transports/publish-route.ts';
import { respondEmpty } from '../transports/respond.ts';
import { singles } from '../transports/single-parameters.ts';
import { allowDelivery, forCallers, forOwners, maySee } from './caller.ts';
import { beginningOf, changesOf, creationOf } from './new-subscription.ts';
import type { SubscriptionParts } from './parts.ts';
import { keepToIfMatch } from './preconditions.ts';
import { etagOf, subscriptionJson } from './resource.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 100;
const STATES = ['pending', 'active', 'paused', 'suspended', 'ended'];

/** Creating, reading, changing and removing subscriptions (PROTOCOL.md section 14.1). */
export function resourceRoutes(parts: SubscriptionParts): readonly Route[] {
  const path = '/v1/subscriptions/:id';
  return [
    { method: 'POST', path: '/v1/subscriptions', handle: forCallers(parts, (caller) => create(parts, caller)) },
    { method: 'GET', path: '/v1/subscriptions', handle: forCallers(parts, (caller) => list(parts, caller)) },
    {
      method: 'GET',
      path,
      handle: forOwners(parts, ({ response }, subscription) =>
        respondJson(response, 200, subscriptionJson(parts, subscription), ['ETag', etagOf(subscription)]),
      ),
    },
    {
      method: 'PATCH',
      path,
      handle: forOwners(parts, (caller, { definition }) => change(parts, caller, definition.id)),
    },
    {
      method: 'DELETE',
      path,
      handle: forOwners(parts, async ({ request, response, actor }, subscription) => {
        keepToIfMatch(request, subscription);
        await parts.desk.remove(subscription.definition.id, actor);
        respondEmpty(response, 204);
      }),
    },
  ];
}

async function create(parts: SubscriptionParts, { request, response, principal, actor }: Desk): Promise<void> {
  const { services, desk } = parts;
  const body = await readObject(services, request);
  const { wishes, start } = creationOf(parts, body, principal, idempotencyKeyOf(request));
  await allowDelivery(services, principal, wishes.channels, start);
  const beginning = await beginningOf(parts, start, wishes.channels);
  const { subscription, isNew } = await desk.create({ ...wishes, ...beginning }, actor);
  const { delivery } = wishes;
  const secret = isNew && delivery.kind === 'webhook' ? delivery.secrets[0]?.text : undefined;
  respondJson(response, 201, subscriptionJson(parts, subscription, secret), [
    'Location',
    `/v1/subscriptions/${subscription.definition.id}`,
    'ETag',
    etagOf(subscription),
    ...(isNew ? [] : ['Idempotency-Replayed', 'true']),
  ]);
}

function list(parts: SubscriptionParts, { response, principal, query }: Desk): void {
  const { services, desk } = parts;
  const values = singles(query, ['limit', 'after', 'state', 'channel', 'key']);
  const limit = number(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const state = values.get('state');
  if (state !== undefined && !STATES.includes(state)) throw invalid('state', `must be one of ${STATES.join(', ')}`);
  const channel = values.get('channel');
  if (channel !== undefined) checkPattern(channel);
  const key = values.get('key');
  const means = (subscription: Subscription): boolean =>
    (state === undefined || subscription.standing.state === state) &&
    (key === undefined || subscription.definition.owner.key === key) &&
    (channel === undefined || meansChannel(subscription, channel)) &&
    maySee(services, principal, subscription);
  const found = desk.list({ after: values.get('after') ?? '', limit: limit + 1, means });
  const page = found.slice(0, limit);
  respondJson(response, 200, {
    subscriptions: page.map((subscription) => subscriptionJson(parts, subscription)),
    next: found.length > limit ? (page.at(-1)?.definition.id ?? null) : null,
  });
}

function meansChannel({ definition }: Subscription, channel: string): boolean {
  return definition.channels.some((pattern) => pattern === channel || matches(pattern, channel));
}

async function change(
  parts: SubscriptionParts,
  { request, response, principal, actor }: Desk,
  id: string,
): Promise<void> {
  const { services, desk } = parts;
  const body = await readObject(services, request);
  // As it is now: another may have changed it while this was read.
  const subscription = desk.get(id);
  if (subscription === undefined) throw new PolycastError('not_found', 'There is no such subscription.');
  const isNamed = keepToIfMatch(request, subscription);
  const changes = changesOf(parts, body, subscription);
  if (changes.channels !== undefined) await allowDelivery(services, principal, changes.channels, undefined);
  // Members of `delivery` are replaced one by one: what another has changed in the meantime must not be undone by that.
  const seen = isNamed || changes.delivery !== undefined ? subscription.definition.version : undefined;
  const changed = await desk.change(id, changes, seen, actor);
  respondJson(response, 200, subscriptionJson(parts, changed), ['ETag', etagOf(changed)]);
}
