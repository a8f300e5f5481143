import { matches } from '@polycast/protocol';
import { integerParameter, invalidParameter, singleParameters } from '../../http/query.ts';
import { SUBSCRIPTION_STATES, type SubscriptionDefinition } from '../state/definition.ts';
import type { Subscription, SubscriptionChanges } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { checkPattern } from '../../streams/events-query.ts';
import type { Route } from '../../auth/route.ts';
import { idempotencyKeyHeader } from '../../publishing/publish-routes.ts';
import {
  authorizeDelivery,
  checkIfMatch,
  scopedRoute,
  maySee,
  subscriptionRoute,
  type CurrentSubscription,
} from './subscription-access.ts';
import { startPosition, parseChanges, parseCreation } from './bodies/subscription-body.ts';
import type { SubscriptionParts } from './parts.ts';
import { etagHeader, subscriptionJson } from './bodies/subscription-json.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 100;

/** Routes that create, read, change and remove subscriptions (PROTOCOL.md section 14.1). */
export function resourceRoutes(parts: SubscriptionParts): readonly Route[] {
  const path = '/v1/subscriptions/:id';
  return [
    scopedRoute('POST', '/v1/subscriptions', (request) => create(parts, request)),
    scopedRoute('GET', '/v1/subscriptions', (request) => list(parts, request)),
    subscriptionRoute(parts, 'GET', path, (request, current) => {
      const subscription = current();
      request.respondJson(200, subscriptionJson(parts, subscription), etagHeader(subscription));
    }),
    subscriptionRoute(parts, 'PATCH', path, (request, current) => change(parts, request, current)),
    subscriptionRoute(parts, 'DELETE', path, async (request, current) => {
      const subscription = current();
      checkIfMatch(request, subscription);
      await parts.subscriptions.remove(subscription.definition.id, request.actor);
      notifyEndpoint(parts, subscription);
      request.respondEmpty(204);
    }),
  ];
}

/** Informs the endpoint of a removed subscription, if its dialect does. The response does not matter. */
function notifyEndpoint({ dialects, sender }: SubscriptionParts, { definition, status }: Subscription): void {
  const { delivery, metadata } = definition;
  if (delivery.kind === 'pull' || status.state === 'ended') return;
  const notice = dialects.get(delivery.dialect).removalNotice(delivery, metadata);
  if (notice !== undefined) void sender.send(notice);
}

async function create(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  const { subscriptions } = parts;
  const { principal } = request;
  const body = await request.object();
  const { options, start } = parseCreation(parts, body, principal, idempotencyKeyHeader(request));
  await authorizeDelivery(parts, principal, options.channels, start);
  const beginning = await startPosition(parts, start, options.channels);
  const { subscription, isNew } = await subscriptions.create({ ...options, ...beginning }, request.actor);
  const { delivery } = options;
  const secret = isNew && delivery.kind === 'webhook' ? delivery.secrets[0]?.text : undefined;
  request.respondJson(201, subscriptionJson(parts, subscription, secret), [
    'Location',
    `/v1/subscriptions/${subscription.definition.id}`,
    ...etagHeader(subscription),
    ...(isNew ? [] : ['Idempotency-Replayed', 'true']),
  ]);
}

function list(parts: SubscriptionParts, request: AuthorizedRequest): void {
  const { auth, subscriptions } = parts;
  const { principal, query } = request;
  const values = singleParameters(query, ['limit', 'after', 'state', 'channel', 'key']);
  const limit = integerParameter(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const state = values.get('state');
  if (state !== undefined && !SUBSCRIPTION_STATES.some((known) => known === state))
    throw invalidParameter('state', `must be one of ${SUBSCRIPTION_STATES.join(', ')}`);
  const channel = values.get('channel');
  if (channel !== undefined) checkPattern(channel);
  const key = values.get('key');
  const predicate = (subscription: Subscription): boolean =>
    (state === undefined || subscription.status.state === state) &&
    (key === undefined || subscription.definition.owner.key === key) &&
    (channel === undefined || matchesChannel(subscription, channel)) &&
    maySee(auth, principal, subscription);
  const found = subscriptions.list({ after: values.get('after') ?? '', limit: limit + 1, predicate });
  const page = found.slice(0, limit);
  request.respondJson(200, {
    subscriptions: page.map((subscription) => subscriptionJson(parts, subscription)),
    next: found.length > limit ? (page.at(-1)?.definition.id ?? null) : null,
  });
}

function matchesChannel({ definition }: Subscription, channel: string): boolean {
  return definition.channels.some((pattern) => pattern === channel || matches(pattern, channel));
}

async function change(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  current: CurrentSubscription,
): Promise<void> {
  const { subscriptions } = parts;
  const body = await request.object();
  const subscription = current();
  const { definition } = subscription;
  const isNamed = checkIfMatch(request, subscription);
  const changes = parseChanges(parts, body, subscription);
  const isRedirected = changesDelivery(changes, definition);
  if (isRedirected)
    await authorizeDelivery(parts, request.principal, changes.channels ?? definition.channels, undefined);
  // The authorization and a partial change of `delivery` both refer to this version. A concurrent
  // change must not be undone. Nor may it combine with this one into a delivery that was not
  // authorized.
  const expectedVersion = isNamed || isRedirected || changes.delivery !== undefined ? definition.version : undefined;
  const changed = await subscriptions.change(definition.id, changes, expectedVersion, request.actor);
  request.respondJson(200, subscriptionJson(parts, changed), etagHeader(changed));
}

/**
 * Whether the changes send other events, or send them to another URL. Such a change needs the same
 * permissions as a new subscription.
 */
function changesDelivery(changes: SubscriptionChanges, { delivery }: SubscriptionDefinition): boolean {
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
