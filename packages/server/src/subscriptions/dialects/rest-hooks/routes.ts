import type { DialectDependencies, DialectService } from '../dialect-service.ts';
import { parseQueryPairs } from '../../../http/query.ts';
import { invalidParameter } from '../../../http/refusals.ts';
import { isWebhook, type WebhookDelivery } from '../../state/definition.ts';
import type { Subscription, WebhookSubscription } from '../../state/ports.ts';
import type { AuthorizedRequest } from '../../../auth/authorized-request.ts';
import { checkPattern, tooManyChannels } from '../../../streams/events-query.ts';
import type { Route } from '../../../auth/route.ts';
import { routeMaker } from '../../../auth/route-maker.ts';
import {
  json,
  pathParameter,
  queryParameter,
  response,
  withHeaders,
  type RouteDescription,
} from '../../../http/route-description.ts';
import { eventType } from '../../../http/openapi/schemas.ts';
import { readQuery } from '../../../http/query-parameter.ts';
import { timestampOrNull } from '../../../http/timestamp-text.ts';
import { authorizeDelivery, maySee } from '../../http/subscription-access.ts';
import { endpointUrl } from '../../http/bodies/delivery-body.ts';
import type { SubscriptionParts } from '../../http/parts.ts';
import { createSecret } from '../../webhook/request/secrets.ts';
import { restHooks } from './dialect.ts';
import * as z from 'zod';
import { HOOK_CHOICE, hookSchema, newHookSchema } from './schemas.ts';
import {
  parseHookSelector,
  eventSelection,
  parseHookRequest,
  newEventSelection,
  noSuchHook,
  type EventSelection,
  type HookRequest,
} from './hook-body.ts';
import { samplesOf } from './samples.ts';

const LIST_MAX = 1000;

/** REST Hooks have routes, and no background work. */
export function openRestHooks({ parts }: DialectDependencies): DialectService {
  return {
    routes: hooksRoutes(parts),
    memoryUsage: {},
    start: () => undefined,
    close: () => Promise.resolve(),
  };
}

/**
 * The routes under `/v1/hooks`: subscriptions for clients of REST Hooks (PROTOCOL.md section 14.8).
 */
function hooksRoutes(parts: SubscriptionParts): readonly Route[] {
  const route = routeMaker({
    requires: 'subscriptions',
    path: '/v1/hooks',
    describe: (own: Omit<RouteDescription, 'section'>) => ({ section: '14.8', ...own }),
    prepare: (request) => [parts, request] as const,
  });
  return [
    route('POST', '', createHook, () => ({
      operationId: 'createHook',
      summary: 'Subscribes a URL to an event, as REST Hooks define it.',
      details:
        'The hub verifies the URL during the request, unless it is trusted. Members have alternative names, as common clients send them.',
      bodies: [json(newHookSchema(parts), 'The URL and the event.')],
      responses: [
        withHeaders(response(201, 'Created.', json(hookSchema(), 'The hook. `secret` is shown only here.')), LOCATION),
        withHeaders(response(200, 'The hook already exists.', json(hookSchema(), 'The hook.')), LOCATION),
      ],
      errors: ['invalid_pattern', 'too_many_channels', 'endpoint_refused', 'subscription_limit'],
    })),
    route('GET', '', listHooks, () => ({
      operationId: 'listHooks',
      summary: 'Lists hooks, at most 1,000.',
      responses: [response(200, 'The hooks.', json(z.object({ hooks: z.array(hookSchema()) }), 'Hooks.'))],
      errors: ['invalid_parameter'],
    })),
    route('DELETE', '', removeHooks, () => ({
      operationId: 'deleteHooks',
      summary: 'Deletes the hooks to a URL.',
      details: 'Both members may be in the query instead. The hub then ignores the body.',
      parameters: [
        queryParameter('target_url', endpointUrl(), 'The URL of the hooks.'),
        queryParameter('event', eventType(), 'Only hooks for this event.'),
      ],
      bodies: [json(HOOK_CHOICE, 'Not needed if the query names the hooks.')],
      isBodyOptional: true,
      responses: [REMOVED],
      errors: ['invalid_parameter', 'not_found'],
    })),
    route('GET', '/samples', readSamples, () => ({
      operationId: 'readHookSamples',
      summary: 'Returns sample data of an event.',
      parameters: SAMPLE_PARAMETERS,
      responses: [
        response(200, 'Samples.', json(z.array(z.unknown()), 'Sample data; empty if there is none.', [{ total: 42 }])),
      ],
      errors: ['invalid_parameter'],
    })),
    route('GET', '/:id', readHook, () => ({
      operationId: 'readHook',
      summary: 'Reads a hook.',
      parameters: [HOOK_ID],
      responses: [response(200, 'The hook.', json(hookSchema(), 'The hook.'))],
    })),
    route('DELETE', '/:id', deleteHook, () => ({
      operationId: 'deleteHook',
      summary: 'Deletes a hook.',
      parameters: [HOOK_ID],
      responses: [REMOVED],
    })),
  ];
}

const LOCATION = { Location: 'The URL of the hook.' };
const HOOK_ID = pathParameter('id', z.string(), 'The id of the hook.');
const REMOVED = response(200, 'Ended.', json(z.object({ removed: z.int().min(1) }), 'How many.'));
const SAMPLE_PARAMETERS = [{ ...queryParameter('event', eventType(), 'An event type or a channel.'), required: true }];

function listHooks(parts: SubscriptionParts, request: AuthorizedRequest): void {
  readQuery(request.query, []);
  const hooks = hooksOf(parts, request, () => true, LIST_MAX);
  request.respondJson(200, { hooks: hooks.map((hook) => hookJson(hook)) });
}

async function readSamples(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  const event = readQuery(request.query, SAMPLE_PARAMETERS).get('event') ?? '';
  request.respondJson(200, await samplesOf(parts, request.principal, event));
}

function readHook(parts: SubscriptionParts, request: AuthorizedRequest): void {
  request.respondJson(200, hookJson(hookOf(parts, request)));
}

/** Zapier's client fails on a response without a body. */
async function deleteHook(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  // A repeated request finds no hook. It is refused when the removal by the first is durable.
  if (findHook(parts, request) === undefined) await parts.subscriptions.whenDurable();
  await parts.subscriptions.remove(hookOf(parts, request).definition.id, request.actor);
  request.respondJson(200, { removed: 1 });
}

async function createHook(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  const { limits, subscriptions, eventTypes, isTrustedEndpoint } = parts;
  const hook = parseHookRequest(newHookSchema(parts), await request.object());
  const selection = newEventSelection(hook, eventTypes);
  const { channelsPerConsumerMax } = limits;
  if (selection.channels.length > channelsPerConsumerMax) throw tooManyChannels(channelsPerConsumerMax);
  selection.channels.forEach(checkPattern);
  await authorizeDelivery(parts, request.principal, selection.channels, undefined);
  const isSame = (one: WebhookSubscription): boolean => isSameHook(one, hook, selection);
  for (let [found] = hooksOf(parts, request, isSame, 1); found !== undefined;) {
    await subscriptions.whenDurable();
    const [existing] = hooksOf(parts, request, isSame, 1);
    if (existing?.definition.id === found.definition.id)
      return request.respondJson(200, hookJson(existing), locationOf(existing));
    found = existing;
  }
  const { key, user } = request.principal;
  const secret = createSecret('hmac');
  const delivery = deliveryOf(parts, hook, secret);
  const { subscription } = await subscriptions.create(
    {
      ...DEFAULTS,
      ...selection,
      owner: { key, user },
      metadata: {
        events: (hook.events.length > 0 ? hook.events : selection.channels).join(' ').slice(0, METADATA_LENGTH_MAX),
      },
      concurrencyMax: parts.settings.concurrency,
      delivery,
      cursor: parts.feed.head,
      isTrusted: isTrustedEndpoint(hook.targetUrl),
    },
    request.actor,
  );
  const created = hookJson({ ...subscription, definition: { ...subscription.definition, delivery } });
  request.respondJson(201, { ...created, secret }, locationOf(subscription));
}

/**
 * Removes hooks by URL and events, because a client may remember only the members of its request.
 */
async function removeHooks(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  const choice = request.query === '' ? await request.object() : membersIn(request.query);
  const { targetUrl, events } = parseHookSelector(choice);
  const selection =
    events === undefined ? undefined : eventSelection({ events, channels: undefined }, parts.eventTypes);
  const isSelected = (one: WebhookSubscription): boolean =>
    one.definition.delivery.url === targetUrl &&
    (selection === undefined || isSameSelection(selection, one.definition));
  let hooks = hooksOf(parts, request, isSelected, LIST_MAX);
  if (hooks.length === 0) {
    await parts.subscriptions.whenDurable();
    hooks = hooksOf(parts, request, isSelected, LIST_MAX);
  }
  if (hooks.length === 0) throw noSuchHook();
  for (const { definition } of hooks) await parts.subscriptions.remove(definition.id, request.actor);
  request.respondJson(200, { removed: hooks.length });
}

/**
 * Reads members from the query. A parameter that is given twice is rejected, because it is unclear
 * which one applies.
 * @throws PolycastError `invalid_parameter`
 */
function membersIn(query: string): object {
  const values = new Map<string, string>();
  for (const [name, value] of parseQueryPairs(query)) {
    if (values.has(name)) throw invalidParameter(name.slice(0, 64), 'may occur only once');
    values.set(name, value);
  }
  return Object.fromEntries(values);
}

function deliveryOf(
  { settings }: SubscriptionParts,
  { targetUrl, format }: HookRequest,
  secret: string,
): WebhookDelivery {
  return {
    kind: 'webhook',
    url: targetUrl,
    dialect: restHooks.name,
    format,
    headers: {},
    batch: undefined,
    timeoutMs: settings.timeoutMs,
    retryDelaysMs: settings.retryDelaysSeconds.map((seconds) => seconds * 1000),
    secrets: [{ text: secret, endsMs: undefined }],
  };
}

function hookOf(parts: SubscriptionParts, request: AuthorizedRequest): WebhookSubscription {
  const hook = findHook(parts, request);
  if (hook === undefined) throw noSuchHook();
  return hook;
}

function findHook(
  { auth, subscriptions }: SubscriptionParts,
  { parameters: { id = '' }, principal }: AuthorizedRequest,
): WebhookSubscription | undefined {
  const subscription = subscriptions.get(id);
  if (subscription === undefined || !isHook(subscription) || !maySee(auth, principal, subscription)) return undefined;
  return subscription;
}

function hooksOf(
  { auth, subscriptions }: SubscriptionParts,
  { principal }: AuthorizedRequest,
  isSelected: (hook: WebhookSubscription) => boolean,
  limit: number,
): readonly WebhookSubscription[] {
  const predicate = (one: Subscription): boolean =>
    isHook(one) && one.status.state !== 'ended' && isSelected(one) && maySee(auth, principal, one);
  return subscriptions.list({ after: '', limit, predicate }).filter(isHook);
}

function isHook(subscription: Subscription): subscription is WebhookSubscription {
  const { definition } = subscription;
  return isWebhook(definition) && definition.delivery.dialect === restHooks.name;
}

function isSameHook({ definition }: WebhookSubscription, hook: HookRequest, selection: EventSelection): boolean {
  const { delivery } = definition;
  return delivery.url === hook.targetUrl && delivery.format === hook.format && isSameSelection(selection, definition);
}

function isSameSelection(one: EventSelection, other: EventSelection): boolean {
  return areSame(one.channels, other.channels) && areSame(one.types ?? [], other.types ?? []);
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each) => others.includes(each));
}

/** The JSON of a hook, with the member names of the request. */
function hookJson({ definition, status }: WebhookSubscription): object {
  const { id, channels, types, createdMs, delivery } = definition;
  const events = types ?? channels;
  return {
    id,
    target_url: delivery.url,
    event: events.length === 1 ? events[0] : events,
    channels,
    format: delivery.format,
    state: status.state,
    created: timestampOrNull(createdMs),
  };
}

function locationOf({ definition: { id } }: Subscription): readonly string[] {
  return ['Location', `/v1/hooks/${id}`];
}

const METADATA_LENGTH_MAX = 500;

const DEFAULTS = {
  description: '',
  filter: undefined,
  ordering: 'per-channel',
  ratePerSecond: undefined,
  endsMs: undefined,
  idempotency: undefined,
} as const;
