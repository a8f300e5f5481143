import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../../http/body/body-schema.ts';
import { invalidBody } from '../../../http/refusals.ts';
import type { SubscriptionDefinition } from '../../state/definition.ts';
import type { Subscription, SubscriptionChanges } from '../../state/ports.ts';
import type { SubscriptionParts } from '../parts.ts';
import { parseChanges, type Creation } from './subscription-body.ts';

/**
 * The changes that give a subscription the definition of a body of `PUT`, which `parseCreation` has
 * parsed. Members that are absent get their defaults. Secrets stay. Without a difference there are
 * none.
 * @throws PolycastError `invalid_body` for a member that cannot change
 */
export function parseReplacement(
  parts: SubscriptionParts,
  body: Readonly<Record<string, unknown>>,
  { options }: Creation,
  subscription: Subscription,
): SubscriptionChanges {
  const { definition } = subscription;
  const { start: _start, owner: _owner, delivery, ...members } = body;
  if (options.customer !== undefined && options.customer !== definition.customer)
    throw invalidBody('owner', 'differs and cannot change');
  const defaults = options.delivery.kind === 'pull' ? PULL_DEFAULTS : WEBHOOK_DEFAULTS;
  const { secret, signature, ...given } = isRecord(delivery) ? delivery : {};
  const dialect = options.delivery.kind === 'pull' ? {} : { dialect: options.delivery.dialect };
  const changes = parseChanges(
    parts,
    { ...COMMON_DEFAULTS, ...members, delivery: { ...defaults, ...given, ...dialect } },
    subscription,
  );
  if (secret !== undefined || signature !== undefined) refuseOtherSecret(options.delivery, definition.delivery, secret);
  return differing(changes, definition);
}

/** In a change, `null` restores the default. */
const COMMON_DEFAULTS = {
  types: null,
  filter: null,
  ordering: null,
  ratePerSecond: null,
  concurrencyMax: null,
  description: null,
  metadata: null,
  expires: null,
} as const;
const WEBHOOK_DEFAULTS = {
  format: null,
  headers: null,
  batch: null,
  timeoutMs: null,
  retryDelaysSeconds: null,
} as const;
const PULL_DEFAULTS = { leaseSeconds: null, deliveriesMax: null } as const;

/**
 * @throws PolycastError `invalid_body` if a body asks for another secret, or another kind of secret
 */
function refuseOtherSecret(
  asked: SubscriptionDefinition['delivery'],
  present: SubscriptionDefinition['delivery'],
  secret: unknown,
): void {
  if (asked.kind === 'pull' || present.kind === 'pull') return;
  const [wanted = '', held = ''] = [asked.secrets[0]?.text, present.secrets[0]?.text];
  if (secret !== undefined && wanted !== held)
    throw invalidBody('delivery.secret', 'is not the present one: rotate-secret replaces it');
  if (wanted.startsWith('whsk_') !== held.startsWith('whsk_'))
    throw invalidBody('delivery.signature', 'is not that of the present secret: rotate-secret replaces it');
}

/** The changes without members that the definition has already. */
function differing(
  { isTrusted, ...changes }: SubscriptionChanges,
  definition: SubscriptionDefinition,
): SubscriptionChanges {
  const before: Readonly<Record<string, unknown>> = { ...definition };
  const different: SubscriptionChanges = Object.fromEntries(
    Object.entries(changes).filter(([name, value]) => !isDeepStrictEqual(value, before[name])),
  );
  return different.delivery === undefined || isTrusted === undefined ? different : { ...different, isTrusted };
}
