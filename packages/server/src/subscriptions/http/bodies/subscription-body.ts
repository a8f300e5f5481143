import { parseCursor } from '@polycast/protocol';
import type { Position } from '../../../core/ports.ts';
import type { Principal } from '../../../core/access/principal.ts';
import { resolveStart } from '../../../core/start.ts';
import type { LostPosition } from '../../state/definition.ts';
import type { NewSubscription, Subscription, SubscriptionChanges } from '../../state/ports.ts';
import { invalidBody, MemberReader, integer } from '../../../http/body/json-body.ts';
import { object, orNull, rejectFixed } from './checks.ts';
import { channelsCheck, allCommonOptions, startCheck, givenCommonOptions } from './definition-body.ts';
import { changedDelivery, newDelivery } from './delivery-body.ts';
import { fingerprintOf } from './request-fingerprint.ts';
import type { SubscriptionParts } from '../parts.ts';
import { earliestPosition } from '../../state/position-at.ts';

/** The options of a new subscription, and its start as given in the request. */
export interface Creation {
  readonly options: Omit<NewSubscription, 'cursor'>;
  readonly start: string;
}

/**
 * Parses the body of `POST /v1/subscriptions`.
 * @throws PolycastError `invalid_body`, `invalid_filter`, `invalid_pattern`, `too_many_channels`,
 * `invalid_cursor`, `endpoint_refused`
 */
export function parseCreation(
  parts: SubscriptionParts,
  body: Readonly<Record<string, unknown>>,
  { key, user }: Principal,
  idempotencyKey: string | undefined,
): Creation {
  const members = new MemberReader(body);
  const channels = members.required('channels', channelsCheck(parts));
  const common = allCommonOptions(members, parts.auth.clock.nowMs());
  const from = members.optional('start', startCheck(parts, 'start')) ?? 'now';
  const delivery = newDelivery(parts, members.required('delivery', object));
  const { concurrencyDefault, concurrencyMax } = concurrencyOf(parts, delivery.kind);
  const concurrency = members.optional('concurrencyMax', orNull(integer(1, concurrencyMax))) ?? concurrencyDefault;
  members.rejectUnknown();
  return {
    start: from,
    options: {
      ...common,
      channels,
      delivery,
      concurrencyMax: concurrency,
      owner: { key, user },
      isTrusted: delivery.kind === 'pull' || parts.isTrustedEndpoint(delivery.url),
      idempotency: idempotencyKey === undefined ? undefined : { key: idempotencyKey, fingerprint: fingerprintOf(body) },
    },
  };
}

/**
 * Parses the body of `PATCH /v1/subscriptions/{id}`.
 * @throws PolycastError as `parseCreation`
 */
export function parseChanges(
  parts: SubscriptionParts,
  body: Readonly<Record<string, unknown>>,
  { definition }: Subscription,
): SubscriptionChanges {
  const members = new MemberReader(body);
  if (definition.delivery.kind === 'webhook')
    rejectFixed(members, parts.dialects.get(definition.delivery.dialect).fixedMembers);
  const { concurrencyDefault, concurrencyMax } = concurrencyOf(parts, definition.delivery.kind);
  const channels = members.optional('channels', channelsCheck(parts));
  const common = givenCommonOptions(members, parts.auth.clock.nowMs());
  const given = members.optional('delivery', object);
  const delivery = given === undefined ? undefined : changedDelivery(parts, definition.delivery, given);
  const concurrency = members.has('concurrencyMax')
    ? (members.optional('concurrencyMax', orNull(integer(1, concurrencyMax))) ?? concurrencyDefault)
    : undefined;
  members.rejectUnknown();
  const changes: SubscriptionChanges = {
    ...common,
    ...(channels !== undefined && { channels }),
    ...(delivery !== undefined && { delivery }),
    ...(concurrency !== undefined && { concurrencyMax: concurrency }),
    ...(delivery?.kind === 'webhook' && { isTrusted: parts.isTrustedEndpoint(delivery.url) }),
  };
  if (Object.keys(changes).length === 0)
    throw invalidBody('channels', 'is missing, and so are all others: the request changes nothing');
  return changes;
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
): { readonly concurrencyDefault: number; readonly concurrencyMax: number } {
  return kind === 'webhook'
    ? { concurrencyDefault: settings.concurrency, concurrencyMax: settings.concurrencyMax }
    : { concurrencyDefault: settings.openEventsMax, concurrencyMax: settings.openEventsMax };
}
