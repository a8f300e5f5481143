import { matches } from '@polycast/protocol';
import type { SubscriptionDefinition } from '../core/subscription/definition.ts';
import type { Subscription, SubscriptionChanges } from '../core/subscription/ports.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import { checkPattern, invalid, number } from '../transports/events-query.ts';
import type { Route } from '../transports/route.ts';
import { idempotencyKeyOf } from '../transports/publish-route.ts';
import { singles } from '../transports/single-parameters.ts';
import { allowDelivery, callersRoute, maySee, ownersRoute, type OwnedSubscription } from './caller.ts';
import { beginningOf, changesOf, creationOf } from './new-subscription.ts';
import type { SubscriptionParts } from './parts.ts';
import { keepToIfMatch } from './preconditions.ts';
import { etagHeader, subscriptionJson } from './resource.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 100;
const STATES = ['pending', 'active', 'paused', 'suspended', 'ended'];

/** Creating, reading, changing and removing subscriptions (PROTOCOL.md section 14.1). */
export function resourceRoutes(parts: SubscriptionParts): readonly Route[] {
  const path = '/v1/subscriptions/:id';
  return [
    callersRoute('POST', '/v1/subscriptions', (caller) => create(parts, caller)),
    callersRoute('GET', '/v1/subscriptions', (caller) => list(parts, caller)),
    ownersRoute(parts, 'GET', path, (caller, owned) => {
      const subscription = owned();
      caller.respondJson(200, subscriptionJson(parts, subscription), etagHeader(subscription));
    }),
    ownersRoute(parts, 'PATCH', path, (caller, owned) => change(parts, caller, owned)),
    ownersRoute(parts, 'DELETE', path, async (caller, owned) => {
      const subscription = owned();
      keepToIfMatch(caller, subscription);
      await parts.desk.remove(subscription.definition.id, caller.actor);
      caller.respondEmpty(204);
    }),
  ];
}

async function create(parts: SubscriptionParts, caller: AuthorizedRequest): Promise<void> {
  const { services, desk } = parts;
  const { principal } = caller;
  const body = await caller.object();
  const { wishes, start } = creationOf(parts, body, principal, idempotencyKeyOf(caller));
  await allowDelivery(services, principal, wishes.channels, start);
  const beginning = await beginningOf(parts, start, wishes.channels);
  const { subscription, isNew } = await desk.create({ ...wishes, ...beginning }, caller.actor);
  const { delivery } = wishes;
  const secret = isNew && delivery.kind === 'webhook' ? delivery.secrets[0]?.text : undefined;
  caller.respondJson(201, subscriptionJson(parts, subscription, secret), [
    'Location',
    `/v1/subscriptions/${subscription.definition.id}`,
    ...etagHeader(subscription),
    ...(isNew ? [] : ['Idempotency-Replayed', 'true']),
  ]);
}

function list(parts: SubscriptionParts, caller: AuthorizedRequest): void {
  const { services, desk } = parts;
  const { principal, query } = caller;
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
  caller.respondJson(200, {
    subscriptions: page.map((subscription) => subscriptionJson(parts, subscription)),
    next: found.length > limit ? (page.at(-1)?.definition.id ?? null) : null,
  });
}

function meansChannel({ definition }: Subscription, channel: string): boolean {
  return definition.channels.some((pattern) => pattern === channel || matches(pattern, channel));
}

async function change(parts: SubscriptionParts, caller: AuthorizedRequest, owned: OwnedSubscription): Promise<void> {
  const { services, desk } = parts;
  const body = await caller.object();
  const subscription = owned();
  const { definition } = subscription;
  const isNamed = keepToIfMatch(caller, subscription);
  const changes = changesOf(parts, body, subscription);
  const isRedirected = leadsElsewhere(changes, definition);
  if (isRedirected) await allowDelivery(services, caller.principal, changes.channels ?? definition.channels, undefined);
  // What was allowed, and members of `delivery`, which are replaced one by one, are of this version: what another has changed in the
  // meantime must not be undone, nor be delivered to who was not asked about.
  const seen = isNamed || isRedirected || changes.delivery !== undefined ? definition.version : undefined;
  const changed = await desk.change(definition.id, changes, seen, caller.actor);
  caller.respondJson(200, subscriptionJson(parts, changed), etagHeader(changed));
}

/** Whether other events go out from now on, or to somewhere else: who asks for that asks for as much as who creates one. */
function leadsElsewhere(changes: SubscriptionChanges, { delivery }: SubscriptionDefinition): boolean {
  const { channels, types, filter, delivery: next } = changes;
  const hasMoved = next?.kind === 'webhook' && delivery.kind === 'webhook' && next.url !== delivery.url;
  return (
    channels !== undefined ||
    hasMoved ||
    types !== undefined ||
    filter !== undefined ||
    'types' in changes ||
    'filter' in changes
  );
}
