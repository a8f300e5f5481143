import { parseCursor, PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import type { Position } from '../../../core/ports.ts';
import type { Principal } from '../../../core/access/principal.ts';
import { resolveStart } from '../../../core/start.ts';
import { integer, isRecord, nonEmptyText, orDefault, parseBody } from '../../../http/body/body-schema.ts';
import { invalidBody } from '../../../http/refusals.ts';
import type { LostPosition, SubscriptionDefinition } from '../../state/definition.ts';
import type { NewSubscription, Subscription, SubscriptionChanges } from '../../state/ports.ts';
import {
  channelsMember,
  commonMembers,
  DEFAULTS,
  OPTION_DOCS,
  OWNER_LENGTH_MAX,
  startMember,
  type CommonOptions,
  type GivenCommonOptions,
} from './definition-body.ts';
import { changedPull, changedWebhook, deliverySchemas, newWebhook, pullDefaults } from './delivery-body.ts';
import { fingerprintOf } from './request-fingerprint.ts';
import type { SubscriptionParts } from '../parts.ts';
import { earliestPosition } from '../../state/position-at.ts';

/** The description of `concurrencyMax`. */
export const CONCURRENCY_DOC = 'The maximum number of concurrent requests; for pull, of leased events.';

type Body = Readonly<Record<string, unknown>>;

/** The options of a new subscription, and its start as given in the request. */
export interface Creation {
  readonly options: Omit<NewSubscription, 'cursor'>;
  readonly start: string;
}

/** The bodies of a hub. A creation and a change have a schema for each kind of delivery. */
export type SubscriptionBodies = ReturnType<typeof createBodies>;

/** Made once for each hub, whose settings are the bounds. */
export function subscriptionBodies(parts: SubscriptionParts): SubscriptionBodies {
  let bodies = made.get(parts.subscriptions);
  if (bodies === undefined) made.set(parts.subscriptions, (bodies = createBodies(parts)));
  return bodies;
}

const made = new WeakMap<SubscriptionParts['subscriptions'], SubscriptionBodies>();

function createBodies(parts: SubscriptionParts) {
  const channels = channelsMember(parts);
  const delivery = deliverySchemas(parts);
  const concurrency = (kind: 'webhook' | 'pull') => {
    const { max, defaultValue } = concurrencyOf(parts, kind);
    return orDefault(integer(1, max), defaultValue).describe(CONCURRENCY_DOC).exactOptional();
  };
  const concurrencyMax = { webhook: concurrency('webhook'), pull: concurrency('pull') };
  const options = commonMembers(parts);
  const owner = nonEmptyText(OWNER_LENGTH_MAX).describe(OPTION_DOCS.owner).exactOptional();
  const common = { channels, ...options, owner, start: startMember(parts).exactOptional() };
  const changeable = { channels: channels.exactOptional(), ...options };
  const wider = concurrencyOf(parts, 'pull').max > concurrencyOf(parts, 'webhook').max ? 'pull' : 'webhook';
  return {
    creation: {
      webhook: z.strictObject({ ...common, delivery: delivery.newWebhook, concurrencyMax: concurrencyMax.webhook }),
      pull: z.strictObject({ ...common, delivery: delivery.newPull, concurrencyMax: concurrencyMax.pull }),
    },
    changes: {
      webhook: z.strictObject({
        ...changeable,
        delivery: delivery.changedWebhook.exactOptional(),
        concurrencyMax: concurrencyMax.webhook,
      }),
      pull: z.strictObject({
        ...changeable,
        delivery: delivery.changedPull.exactOptional(),
        concurrencyMax: concurrencyMax.pull,
      }),
    },
    // For both kinds, as one object: clients in typed languages have one class for each body.
    described: {
      creation: z
        .strictObject({
          ...common,
          delivery: z.xor([delivery.newWebhook, delivery.newPull]),
          concurrencyMax: concurrencyMax[wider],
        })
        .meta({ id: 'NewSubscription' }),
      changes: z
        .strictObject({
          ...changeable,
          delivery: z.union([delivery.changedWebhook, delivery.changedPull]).exactOptional(),
          concurrencyMax: concurrencyMax[wider],
        })
        .meta({
          id: 'SubscriptionChanges',
          description: 'Any of the members; `null` restores the default. The kind and the dialect cannot change.',
        }),
    },
  };
}

/**
 * Parses the body of `POST /v1/subscriptions`.
 * @throws PolycastError `invalid_body`, `invalid_filter`, `invalid_pattern`, `too_many_channels`,
 * `invalid_cursor`, `endpoint_refused`
 */
export function parseCreation(
  parts: SubscriptionParts,
  body: Body,
  { key, user, portal }: Principal,
  idempotencyKey: string | undefined,
): Creation {
  const { creation } = subscriptionBodies(parts);
  const { delivery: requested } = body;
  const given =
    isRecord(requested) && requested['kind'] === 'pull'
      ? parseBody(creation.pull, body)
      : parseBody(creation.webhook, body);
  const { channels, start = 'now', delivery: options, concurrencyMax, owner, ...common } = given;
  if (portal !== undefined && (options.kind !== 'webhook' || (owner ?? portal.owner) !== portal.owner))
    throw new PolycastError('forbidden', 'A portal link creates webhooks of its owner only.');
  const delivery =
    options.kind === 'pull' ? changedPull(parts, pullDefaults(parts), options) : newWebhook(parts, options);
  return {
    start,
    options: {
      ...DEFAULTS,
      ...commonOptions(common),
      channels,
      delivery,
      concurrencyMax: concurrencyMax ?? concurrencyOf(parts, delivery.kind).defaultValue,
      owner: { key, user },
      customer: portal?.owner ?? owner,
      isTrusted: delivery.kind === 'pull' || parts.isTrustedEndpoint(delivery.url),
      idempotency: idempotencyKey === undefined ? undefined : { key: idempotencyKey, fingerprint: fingerprintOf(body) },
    },
  };
}

/**
 * Parses the body of `PATCH /v1/subscriptions/{id}`.
 * @throws PolycastError as `parseCreation`
 */
export function parseChanges(parts: SubscriptionParts, body: Body, { definition }: Subscription): SubscriptionChanges {
  const { changes } = subscriptionBodies(parts);
  const { delivery: before } = definition;
  const changeable = withoutUnchanged(parts, body, definition);
  if (before.kind === 'pull') {
    const given = parseBody(changes.pull, changeable);
    return changesOf(given, given.delivery && changedPull(parts, before, given.delivery));
  }
  const given = parseBody(changes.webhook, changeable);
  const delivery = given.delivery && changedWebhook(parts, before, given.delivery);
  return {
    ...changesOf(given, delivery),
    ...(delivery !== undefined && { isTrusted: parts.isTrustedEndpoint(delivery.url) }),
  };
}

function changesOf(
  {
    channels,
    concurrencyMax,
    delivery: _given,
    ...common
  }: z.output<SubscriptionBodies['changes']['webhook'] | SubscriptionBodies['changes']['pull']>,
  delivery: SubscriptionDefinition['delivery'] | undefined,
): SubscriptionChanges {
  const changes: SubscriptionChanges = {
    ...commonOptions(common),
    ...(channels !== undefined && { channels }),
    ...(delivery !== undefined && { delivery }),
    ...(concurrencyMax !== undefined && { concurrencyMax }),
  };
  if (Object.keys(changes).length === 0)
    throw invalidBody('channels', 'is missing, and so are all others: the request changes nothing');
  return changes;
}

/** The common members that a body has. */
function commonOptions({ expires, ...options }: GivenCommonOptions): Partial<CommonOptions> {
  return { ...options, ...(expires !== undefined && { endsMs: expires.timeMs }) };
}

/**
 * The body without members that no change replaces: they may be given as they are.
 * @throws PolycastError `invalid_body` if one of them is given otherwise
 */
function withoutUnchanged(
  { dialects }: SubscriptionParts,
  body: Body,
  { delivery: before }: SubscriptionDefinition,
): Body {
  const dialect = before.kind === 'webhook' ? dialects.get(before.dialect) : undefined;
  refuseFixed(body, dialect?.fixedMembers ?? {});
  const { delivery } = body;
  if (!isRecord(delivery)) return body;
  const changeable = { ...delivery };
  for (const [name, value] of Object.entries(before)) {
    const isFixed = name === 'kind' || name === 'dialect' || (name === 'url' && dialect?.isKeyedByEndpoint === true);
    if (!isFixed || !Object.hasOwn(delivery, name)) continue;
    if (delivery[name] !== value) throw invalidBody(`delivery.${name}`, `is ${value} and cannot change`);
    delete changeable[name];
  }
  refuseFixed(delivery, dialect?.fixedDeliveryMembers ?? {}, 'delivery.');
  return { ...body, delivery: changeable };
}

function refuseFixed(members: Body, fixed: Readonly<Record<string, string>>, within = ''): void {
  for (const [name, reason] of Object.entries(fixed))
    if (Object.hasOwn(members, name)) throw invalidBody(within + name, reason);
}

/**
 * The position at which a subscription to these channels starts. `lost` is the requested position,
 * if it is not in this log.
 */
export async function startPosition(
  { feed, log }: SubscriptionParts,
  text: string,
  channels: readonly string[],
): Promise<{ readonly cursor: Position; readonly lost: LostPosition | undefined }> {
  if (text === 'earliest') return { cursor: await earliestPosition(feed, channels), lost: undefined };
  const { position, gap } = resolveStart(text, log.state);
  return { cursor: position, lost: gap === undefined ? undefined : parseCursor(gap.from) };
}

function concurrencyOf(
  { settings }: SubscriptionParts,
  kind: 'webhook' | 'pull',
): { readonly max: number; readonly defaultValue: number } {
  return kind === 'webhook'
    ? { max: settings.concurrencyMax, defaultValue: settings.concurrency }
    : { max: settings.openEventsMax, defaultValue: settings.openEventsMax };
}
