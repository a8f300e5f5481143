import { IDEMPOTENCY_KEY_LENGTH_MAX, matches, type ErrorCode } from '@polycast/protocol';
import * as z from 'zod';
import { SUBSCRIPTION_STATES, type SubscriptionDefinition } from '../state/definition.ts';
import type { Subscription, SubscriptionChanges } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import { invalidParameter } from '../../http/refusals.ts';
import { checkPattern } from '../../streams/events-query.ts';
import type { AuthorizedRoute } from '../../auth/route.ts';
import { routeMaker } from '../../auth/route-maker.ts';
import { idempotencyKeyHeader } from '../../publishing/publish-routes.ts';
import { headerParameter, json, response, withHeaders } from '../../http/route-description.ts';
import { page, pattern } from '../../http/openapi/schemas.ts';
import { limitParameter, readQuery, textParameter } from '../../http/query-parameter.ts';
import {
  authorizeDelivery,
  checkIfMatch,
  scopedRoute,
  maySee,
  subscriptionResource,
  subscriptionToRemove,
  type CurrentSubscription,
} from './subscription-access.ts';
import { startPosition, parseChanges, parseCreation, subscriptionBodies } from './bodies/subscription-body.ts';
import type { SubscriptionParts } from './parts.ts';
import { IF_MATCH, newSubscription, NEXT, shownSubscription, subscriptionSchema } from './schemas.ts';
import { etagHeader, subscriptionJson } from './bodies/subscription-json.ts';

const LIMIT = limitParameter(100, 100, 'The maximum number of entries.');
const AFTER = textParameter('after', z.string(), '`next` of the previous page.');
const STATE = textParameter('state', z.enum(SUBSCRIPTION_STATES), 'Only subscriptions in this state.');
const CHANNEL = textParameter('channel', pattern(), 'Only subscriptions that match this channel.');
const KEY = textParameter('key', z.string(), 'Only subscriptions created by the key with this id.');
const OWNER = textParameter('owner', z.string(), 'Only subscriptions of this customer.');
const PARAMETERS = [LIMIT, AFTER, STATE, CHANNEL, KEY, OWNER];

/** Routes that create, read, change and remove subscriptions (PROTOCOL.md section 14.1). */
export function resourceRoutes(parts: SubscriptionParts): readonly AuthorizedRoute[] {
  return [...collectionRoutes(parts), ...memberRoutes(parts)];
}

function collectionRoutes(parts: SubscriptionParts): readonly AuthorizedRoute[] {
  return [
    scopedRoute(
      'POST',
      '/v1/subscriptions',
      (request) => create(parts, request),
      () => ({
        operationId: 'createSubscription',
        summary: 'Creates a durable subscription: a webhook or a pull queue.',
        section: '14.1',
        details: 'A webhook whose endpoint is not trusted is `pending` until the hub has verified it.',
        parameters: [IDEMPOTENCY_KEY],
        bodies: [
          json(subscriptionBodies(parts).described.creation, 'The definition of the subscription.', CREATION_EXAMPLE),
        ],
        responses: [
          withHeaders(newSubscription(parts, 201, 'Created.'), {
            Location: 'The URL of the subscription.',
            'Idempotency-Replayed': '`true` if the key was used before and this request created nothing.',
          }),
        ],
        errors: [
          'invalid_header',
          ...DEFINITION_ERRORS,
          'invalid_cursor',
          'idempotency_key_reused',
          'subscription_limit',
        ],
      }),
    ),
    scopedRoute(
      'GET',
      '/v1/subscriptions',
      (request) => list(parts, request),
      () => ({
        operationId: 'listSubscriptions',
        summary: 'Lists subscriptions, sorted by id.',
        section: '14.1',
        parameters: PARAMETERS,
        responses: [response(200, 'A page.', json(page('subscriptions', subscriptionSchema(parts), z.string()), NEXT))],
        errors: ['invalid_parameter', 'invalid_pattern'],
      }),
    ),
  ];
}

function memberRoutes(parts: SubscriptionParts): readonly AuthorizedRoute[] {
  const resource = subscriptionResource(parts);
  const route = routeMaker(resource);
  return [
    route(
      'GET',
      '',
      (request, current) => {
        const subscription = current();
        request.respondJson(200, subscriptionJson(parts, subscription), etagHeader(subscription));
      },
      () => ({
        operationId: 'readSubscription',
        summary: 'Reads a subscription with its progress.',
        responses: [shownSubscription(parts, 200, 'The subscription.')],
      }),
    ),
    route(
      'PATCH',
      '',
      (request, current) => change(parts, request, current),
      () => ({
        operationId: 'changeSubscription',
        summary: 'Changes a subscription.',
        details:
          'The hub replaces the given members of `delivery`. It verifies a new `url` again, unless that is trusted.',
        parameters: [IF_MATCH],
        bodies: [
          json(subscriptionBodies(parts).described.changes, 'The members to change.', {
            description: 'Orders for the warehouse',
          }),
        ],
        responses: [shownSubscription(parts, 200, 'Changed.')],
        errors: [...DEFINITION_ERRORS, 'precondition_failed'],
      }),
    ),
    routeMaker({ ...resource, prepare: (request: AuthorizedRequest) => [request] as const })(
      'DELETE',
      '',
      (request) => remove(parts, request),
      () => ({
        operationId: 'removeSubscription',
        summary: 'Deletes a subscription with its attempts and dead letters.',
        parameters: [IF_MATCH],
        responses: [response(204, 'Removed.')],
        errors: ['precondition_failed'],
      }),
    ),
  ];
}

const IDEMPOTENCY_KEY = headerParameter(
  'Idempotency-Key',
  z.string().min(1).max(IDEMPOTENCY_KEY_LENGTH_MAX),
  'For 24 hours, a request with the same key and body gets the same subscription again, without its secret.',
);
/** A definition. */
export const CREATION_EXAMPLE = {
  channels: ['orders.>'],
  delivery: { kind: 'webhook', url: 'https://shop.example/hook' },
  types: ['order.paid'],
};
/** The refusals of a definition. */
export const DEFINITION_ERRORS: readonly ErrorCode[] = [
  'invalid_filter',
  'invalid_pattern',
  'too_many_channels',
  'endpoint_refused',
];

async function remove(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  const subscription = await subscriptionToRemove(parts, request);
  checkIfMatch(request, subscription);
  await parts.subscriptions.remove(subscription.definition.id, request.actor);
  notifyEndpoint(parts, subscription);
  request.respondEmpty(204);
}

/**
 * Informs the endpoint of a removed subscription, if its dialect does.
 * The response does not matter.
 */
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
  respondCreated(parts, request, subscription, isNew);
}

/**
 * Responds with a new subscription and its secret; without the secret if an earlier
 * request created it.
 */
export function respondCreated(
  parts: SubscriptionParts,
  request: AuthorizedRequest,
  subscription: Subscription,
  isNew: boolean,
): void {
  const { id, delivery } = subscription.definition;
  const secret = isNew && delivery.kind === 'webhook' ? delivery.secrets[0]?.text : undefined;
  request.respondJson(201, subscriptionJson(parts, subscription, secret), [
    'Location',
    `/v1/subscriptions/${id}`,
    ...etagHeader(subscription),
    ...(isNew ? [] : ['Idempotency-Replayed', 'true']),
  ]);
}

function list(parts: SubscriptionParts, request: AuthorizedRequest): void {
  const { auth, subscriptions } = parts;
  const { principal, query } = request;
  const values = readQuery(query, PARAMETERS);
  const limit = LIMIT.read(values);
  const state = STATE.read(values);
  if (state !== undefined && !SUBSCRIPTION_STATES.some((known) => known === state))
    throw invalidParameter('state', `must be one of ${SUBSCRIPTION_STATES.join(', ')}`);
  const channel = CHANNEL.read(values);
  if (channel !== undefined) checkPattern(channel);
  const key = KEY.read(values);
  const owner = OWNER.read(values);
  const predicate = (subscription: Subscription): boolean =>
    (state === undefined || subscription.status.state === state) &&
    (key === undefined || subscription.definition.owner.key === key) &&
    (owner === undefined || subscription.definition.customer === owner) &&
    (channel === undefined || matchesChannel(subscription, channel)) &&
    maySee(auth, principal, subscription);
  const found = subscriptions.list({ after: AFTER.read(values) ?? '', limit: limit + 1, predicate });
  const shown = found.slice(0, limit);
  request.respondJson(200, {
    subscriptions: shown.map((subscription) => subscriptionJson(parts, subscription)),
    next: found.length > limit ? (shown.at(-1)?.definition.id ?? null) : null,
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
