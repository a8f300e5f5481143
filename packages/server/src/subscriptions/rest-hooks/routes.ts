import type { EventTypes } from '../../core/event-types.ts';
import type { WebhookDelivery } from '../../core/subscription/definition.ts';
import type { Subscription } from '../../core/subscription/ports.ts';
import type { AuthorizedRequest } from '../../transports/authorized-request.ts';
import { checkPattern, invalid, parameters, tooManyChannels } from '../../transports/events-query.ts';
import { Members } from '../../transports/json-body.ts';
import type { Route } from '../../transports/route.ts';
import { singles } from '../../transports/single-parameters.ts';
import { timeText } from '../../transports/time-text.ts';
import { allowDelivery, callersRoute, maySee } from '../caller.ts';
import { urlCheck } from '../delivery-body.ts';
import type { SubscriptionParts } from '../parts.ts';
import { createSecret } from '../secrets.ts';
import {
  hookChoice,
  hookMeaning,
  hookWish,
  newHookMeaning,
  noSuchHook,
  type HookMeaning,
  type HookWish,
} from './hook-body.ts';
import { samplesOf } from './samples.ts';

export interface HookParts extends SubscriptionParts {
  readonly eventTypes: EventTypes;
}

const LIST_MAX = 1000;

/** `/v1/hooks`: subscriptions as the clients of REST Hooks ask for them (PROTOCOL.md section 14.8). */
export function hooksRoutes(parts: HookParts): readonly Route[] {
  return [
    callersRoute('POST', '/v1/hooks', (caller) => createHook(parts, caller)),
    callersRoute('GET', '/v1/hooks', (caller) => {
      singles(caller.query, []);
      const hooks = hooksOf(parts, caller, () => true, LIST_MAX);
      caller.respondJson(200, { hooks: hooks.map((hook) => hookJson(hook)) });
    }),
    callersRoute('DELETE', '/v1/hooks', (caller) => removeHooks(parts, caller)),
    callersRoute('GET', '/v1/hooks/samples', async (caller) => {
      const event = singles(caller.query, ['event']).get('event') ?? '';
      caller.respondJson(200, await samplesOf(parts, caller.principal, event));
    }),
    callersRoute('GET', '/v1/hooks/:id', (caller) => caller.respondJson(200, hookJson(hookOf(parts, caller)))),
    // Zapier's client fails on an answer without a body.
    callersRoute('DELETE', '/v1/hooks/:id', async (caller) => {
      await parts.desk.remove(hookOf(parts, caller).definition.id, caller.actor);
      caller.respondJson(200, { removed: 1 });
    }),
  ];
}

async function createHook(parts: HookParts, caller: AuthorizedRequest): Promise<void> {
  const { services, desk, eventTypes, trusts } = parts;
  const wish = hookWish(await caller.members(), urlCheck(parts));
  const meaning = newHookMeaning(wish, eventTypes);
  const { channelsPerConsumerMax } = services.settings;
  if (meaning.channels.length > channelsPerConsumerMax) throw tooManyChannels(channelsPerConsumerMax);
  meaning.channels.forEach(checkPattern);
  await allowDelivery(services, caller.principal, meaning.channels, undefined);
  const [twin] = hooksOf(parts, caller, (one) => isTwin(one, wish, meaning), 1);
  if (twin !== undefined) return caller.respondJson(200, hookJson(twin), locationOf(twin));
  const { key, user } = caller.principal;
  const secret = createSecret('hmac');
  const { subscription } = await desk.create(
    {
      ...NEW,
      ...meaning,
      owner: { key, user },
      metadata: {
        events: (wish.events.length > 0 ? wish.events : meaning.channels).join(' ').slice(0, NOTE_LENGTH_MAX),
      },
      concurrencyMax: parts.settings.concurrency,
      delivery: deliveryOf(parts, wish, secret),
      cursor: services.feed.head,
      isTrusted: trusts(wish.targetUrl),
    },
    caller.actor,
  );
  caller.respondJson(201, { ...hookJson(subscription), secret }, locationOf(subscription));
}

/** What a client remembers may be no more than what it has asked with. */
async function removeHooks(parts: HookParts, caller: AuthorizedRequest): Promise<void> {
  const members = caller.query === '' ? await caller.members() : membersIn(caller.query);
  const { targetUrl, events } = hookChoice(members);
  const meaning = events === undefined ? undefined : hookMeaning({ events, channels: undefined }, parts.eventTypes);
  const isMeant = (one: Subscription): boolean =>
    deliveryIn(one).url === targetUrl && (meaning === undefined || isSame(meaning, one.definition));
  const hooks = hooksOf(parts, caller, isMeant, LIST_MAX);
  if (hooks.length === 0) throw noSuchHook();
  for (const { definition } of hooks) await parts.desk.remove(definition.id, caller.actor);
  caller.respondJson(200, { removed: hooks.length });
}

/** Of two addresses neither is ended: it cannot be told which is meant. @throws PolycastError `invalid_parameter` */
function membersIn(query: string): Members {
  const values = new Map<string, string>();
  for (const [name, value] of parameters(query)) {
    if (values.has(name)) throw invalid(name.slice(0, 64), 'may be given once');
    values.set(name, value);
  }
  return new Members(Object.fromEntries(values));
}

function deliveryOf({ settings }: HookParts, { targetUrl, format }: HookWish, secret: string): WebhookDelivery {
  return {
    kind: 'webhook',
    url: targetUrl,
    dialect: 'rest-hooks',
    format,
    headers: {},
    batch: undefined,
    timeoutMs: settings.timeoutMs,
    retryDelaysMs: settings.retryDelaysSeconds.map((seconds) => seconds * 1000),
    secrets: [{ text: secret, endsMs: undefined }],
  };
}

function hookOf(parts: HookParts, { parameters: { id = '' }, principal }: AuthorizedRequest): Subscription {
  const subscription = parts.desk.get(id);
  if (subscription === undefined || !isHook(subscription) || !maySee(parts.services, principal, subscription))
    throw noSuchHook();
  return subscription;
}

function hooksOf(
  { services, desk }: HookParts,
  { principal }: AuthorizedRequest,
  isMeant: (subscription: Subscription) => boolean,
  limit: number,
): readonly Subscription[] {
  const means = (one: Subscription): boolean =>
    isHook(one) && one.standing.state !== 'ended' && isMeant(one) && maySee(services, principal, one);
  return desk.list({ after: '', limit, means });
}

function isHook({ definition: { delivery } }: Subscription): boolean {
  return delivery.kind === 'webhook' && delivery.dialect === 'rest-hooks';
}

function isTwin({ definition }: Subscription, wish: HookWish, meaning: HookMeaning): boolean {
  const delivery = definition.delivery as WebhookDelivery;
  return delivery.url === wish.targetUrl && delivery.format === wish.format && isSame(meaning, definition);
}

function isSame(one: HookMeaning, other: HookMeaning): boolean {
  return areSame(one.channels, other.channels) && areSame(one.types ?? [], other.types ?? []);
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each) => others.includes(each));
}

function deliveryIn({ definition }: Subscription): WebhookDelivery {
  return definition.delivery as WebhookDelivery;
}

/** In the words in which hooks are asked for. */
function hookJson({ definition, standing }: Subscription): object {
  const { id, channels, types, createdMs } = definition;
  const events = types ?? channels;
  return {
    id,
    target_url: deliveryIn({ definition, standing }).url,
    event: events.length === 1 ? events[0] : events,
    channels,
    format: deliveryIn({ definition, standing }).format,
    state: standing.state,
    created: timeText(createdMs),
  };
}

function locationOf({ definition: { id } }: Subscription): readonly string[] {
  return ['Location', `/v1/hooks/${id}`];
}

const NOTE_LENGTH_MAX = 500;

const NEW = {
  description: '',
  filter: undefined,
  ordering: 'per-channel',
  ratePerSecond: undefined,
  endsMs: undefined,
  idempotency: undefined,
} as const;
