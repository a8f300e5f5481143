import { parseCursor } from '@polycast/protocol';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import { startAfter } from '../core/start.ts';
import type { LostPlace } from '../core/subscription/definition.ts';
import type { NewSubscription, Subscription, SubscriptionChanges } from '../core/subscription/ports.ts';
import { invalidBody, Members, whole } from '../transports/json-body.ts';
import { object, orNull } from './checks.ts';
import { channelsCheck, commonWishes, startCheck, takeCommon } from './definition-body.ts';
import { changedDelivery, newDelivery } from './delivery-body.ts';
import { fingerprintOf } from './idempotency.ts';
import type { SubscriptionParts } from './parts.ts';
import { earliestOf } from './position-at.ts';

/** What is asked for, and from where it is to begin, as it was said. */
export interface Creation {
  readonly wishes: Omit<NewSubscription, 'cursor'>;
  readonly start: string;
}

/**
 * Reads the body of `POST /v1/subscriptions`.
 * @throws PolycastError `invalid_body`, `invalid_filter`, `invalid_pattern`, `too_many_channels`, `invalid_cursor`, `endpoint_refused`
 */
export function creationOf(
  parts: SubscriptionParts,
  body: Readonly<Record<string, unknown>>,
  { key, user }: Principal,
  idempotencyKey: string | undefined,
): Creation {
  const members = new Members(body);
  const channels = members.need('channels', channelsCheck(parts));
  const common = commonWishes(members, parts.services.clock.nowMs());
  const from = members.take('start', startCheck(parts, 'start')) ?? 'now';
  const delivery = newDelivery(parts, members.need('delivery', object));
  const { concurrencyUnlessGiven, concurrencyMax } = concurrencyOf(parts, delivery.kind);
  const concurrency = members.take('concurrencyMax', orNull(whole(1, concurrencyMax))) ?? concurrencyUnlessGiven;
  members.end();
  return {
    start: from,
    wishes: {
      ...common,
      channels,
      delivery,
      concurrencyMax: concurrency,
      owner: { key, user },
      isTrusted: delivery.kind === 'pull' || parts.trusts(delivery.url),
      idempotency: idempotencyKey === undefined ? undefined : { key: idempotencyKey, fingerprint: fingerprintOf(body) },
    },
  };
}

/**
 * Reads the body of `PATCH /v1/subscriptions/{id}`.
 * @throws PolycastError as `creationOf`
 */
export function changesOf(
  parts: SubscriptionParts,
  body: Readonly<Record<string, unknown>>,
  { definition }: Subscription,
): SubscriptionChanges {
  const members = new Members(body);
  if (definition.delivery.kind === 'webhook' && definition.delivery.dialect === 'websub') refuseOfWebSub(members);
  const { concurrencyUnlessGiven, concurrencyMax } = concurrencyOf(parts, definition.delivery.kind);
  const channels = members.take('channels', channelsCheck(parts));
  const common = takeCommon(members, parts.services.clock.nowMs());
  const given = members.take('delivery', object);
  const delivery = given === undefined ? undefined : changedDelivery(parts, definition.delivery, given);
  const concurrency = members.has('concurrencyMax')
    ? (members.take('concurrencyMax', orNull(whole(1, concurrencyMax))) ?? concurrencyUnlessGiven)
    : undefined;
  members.end();
  const changes: SubscriptionChanges = {
    ...common,
    ...(channels !== undefined && { channels }),
    ...(delivery !== undefined && { delivery }),
    ...(concurrency !== undefined && { concurrencyMax: concurrency }),
    ...(delivery?.kind === 'webhook' && { isTrusted: parts.trusts(delivery.url) }),
  };
  if (Object.keys(changes).length === 0)
    throw invalidBody('channels', 'is missing, and so is all else: nothing would change');
  return changes;
}

/** What a WebSub subscriber has asked for is asked for anew by itself alone (PROTOCOL.md section 14.7). */
function refuseOfWebSub(members: Members): void {
  for (const name of ['channels', 'types', 'filter', 'ordering', 'expires'])
    if (members.has(name)) throw invalidBody(name, 'is as the WebSub subscriber has asked for');
}

/** Where a subscription to these channels begins, and after what it was to, if that is no place of this log any more. */
export async function beginningOf(
  { services }: SubscriptionParts,
  text: string,
  channels: readonly string[],
): Promise<{ readonly cursor: Position; readonly lost: LostPlace | undefined }> {
  if (text === 'earliest') return { cursor: await earliestOf(services.feed, channels), lost: undefined };
  const { position, gap } = startAfter(text, services.log.state);
  return { cursor: position, lost: gap === undefined ? undefined : parseCursor(gap.from) };
}

function concurrencyOf(
  { settings }: SubscriptionParts,
  kind: 'webhook' | 'pull',
): { readonly concurrencyUnlessGiven: number; readonly concurrencyMax: number } {
  return kind === 'webhook'
    ? { concurrencyUnlessGiven: settings.concurrency, concurrencyMax: settings.concurrencyMax }
    : { concurrencyUnlessGiven: settings.openEventsMax, concurrencyMax: settings.openEventsMax };
}
