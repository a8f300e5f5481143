import { PolycastError } from '@polycast/protocol';
import { BODY_FORMATS, type PullDelivery, type Secret, type WebhookDelivery } from '../../state/definition.ts';
import type { SubscriptionSettings } from '../../state/settings.ts';
import { invalidBody, MemberReader, integer, type Validator } from '../../../http/body/json-body.ts';
import { object, oneOf, orNull, rejectFixed } from './checks.ts';
import { headers } from './headers-body.ts';
import type { SubscriptionParts } from '../parts.ts';
import { completeSecret, createSecret, SECRET_RULE } from '../../webhook/request/secrets.ts';

const URL_LENGTH_MAX = 2048;
const BATCH_COUNT_MAX = 1000;
const BATCH_WAIT_MS_MAX = 60_000;
const TIMEOUT_MS_MIN = 100;
const RETRIES_MAX = 30;
const RETRY_SECONDS_MAX = 7 * 86_400;
const DELIVERIES_MAX = 1000;

/**
 * Parses the `delivery` of a new subscription (PROTOCOL.md section 14.1). A webhook gets the secret
 * of the body, or a new one.
 * @throws PolycastError `invalid_body`, `endpoint_refused`
 */
export function newDelivery(
  parts: SubscriptionParts,
  value: Readonly<Record<string, unknown>>,
): WebhookDelivery | PullDelivery {
  const members = new MemberReader(value, 'delivery.');
  const kind = members.required('kind', oneOf('webhook', 'pull'));
  if (kind === 'pull') return changedPull(parts, undefined, members);
  const { creatableNames } = parts.dialects;
  const dialect = members.optional('dialect', oneOf(...creatableNames)) ?? (creatableNames[0] as string);
  const secret = readSecret(members);
  const given = { kind, dialect, url: members.required('url', urlCheck(parts)), secrets: [secret] } as const;
  return changedWebhook(parts, given, members);
}

/**
 * Replaces the members of a delivery that the body has.
 * @throws PolycastError `invalid_body`, `endpoint_refused`
 */
export function changedDelivery(
  parts: SubscriptionParts,
  before: WebhookDelivery | PullDelivery,
  value: Readonly<Record<string, unknown>>,
): WebhookDelivery | PullDelivery {
  const members = new MemberReader(value, 'delivery.');
  members.optional('kind', unchanged(before.kind));
  if (before.kind === 'pull') return changedPull(parts, before, members);
  members.optional('dialect', unchanged(before.dialect));
  const { isKeyedByEndpoint, fixedDeliveryMembers } = parts.dialects.get(before.dialect);
  const url = members.optional('url', isKeyedByEndpoint ? unchanged(before.url) : urlCheck(parts)) ?? before.url;
  rejectFixed(members, fixedDeliveryMembers, 'delivery.');
  // Headers may contain credentials for the previous origin, so another origin does not receive
  // them.
  const isSameHost = URL.parse(url)?.origin === URL.parse(before.url)?.origin;
  return changedWebhook(parts, { ...before, url, headers: isSameHost ? before.headers : {} }, members);
}

/**
 * The secret of the body, or a new one.
 * @throws PolycastError `invalid_body`
 */
export function readSecret(members: MemberReader): Secret {
  const own = members.optional('secret', secretText);
  const signature = members.optional('signature', oneOf('hmac', 'ed25519'));
  if (own !== undefined && signature !== undefined && own.startsWith('whsk_') !== (signature === 'ed25519'))
    throw invalidBody('signature', 'does not match the secret');
  return { text: own ?? createSecret(signature ?? 'hmac'), endsMs: undefined };
}

const secretText: Validator<string> = (value) => {
  const secret = typeof value === 'string' ? completeSecret(value) : undefined;
  return secret === undefined ? { wrong: `must be ${SECRET_RULE}` } : { value: secret };
};

type WebhookBasis = Pick<WebhookDelivery, 'kind' | 'dialect' | 'url' | 'secrets'> & Partial<WebhookDelivery>;

function changedWebhook(
  { settings, dialects }: SubscriptionParts,
  before: WebhookBasis,
  members: MemberReader,
): WebhookDelivery {
  const memberOr = <Value>(
    name: keyof WebhookDelivery & string,
    before: Value,
    check: Validator<Value>,
    defaultValue: Value,
  ): Value => (members.has(name) ? (members.optional(name, orNull(check)) ?? defaultValue) : before);
  const { defaultFormat } = dialects.get(before.dialect);
  const delays = members.has('retryDelaysSeconds')
    ? (members.optional('retryDelaysSeconds', orNull(retryDelays)) ?? settings.retryDelaysSeconds).map(
        (seconds) => seconds * 1000,
      )
    : before.retryDelaysMs;
  const delivery: WebhookDelivery = {
    kind: before.kind,
    url: before.url,
    dialect: before.dialect,
    format: memberOr('format', before.format ?? defaultFormat, oneOf(...BODY_FORMATS), defaultFormat),
    headers: memberOr('headers', before.headers ?? {}, headers(dialects, before.headers), {}),
    batch: memberOr('batch', before.batch, batch, undefined),
    timeoutMs: memberOr(
      'timeoutMs',
      before.timeoutMs ?? settings.timeoutMs,
      integer(TIMEOUT_MS_MIN, settings.timeoutMaxMs),
      settings.timeoutMs,
    ),
    retryDelaysMs: delays ?? settings.retryDelaysSeconds.map((seconds) => seconds * 1000),
    secrets: before.secrets,
  };
  rejectOtherKind(members, 'webhook');
  return delivery;
}

function changedPull(
  { settings }: SubscriptionParts,
  before: PullDelivery | undefined,
  members: MemberReader,
): PullDelivery {
  const memberOr = (name: string, before: number | undefined, max: number, defaultValue: number): number =>
    members.has(name) ? (members.optional(name, orNull(integer(1, max))) ?? defaultValue) : (before ?? defaultValue);
  const leaseSeconds = before === undefined ? undefined : before.leaseMs / 1000;
  const pull: PullDelivery = {
    kind: 'pull',
    leaseMs: memberOr('leaseSeconds', leaseSeconds, settings.leaseMaxSeconds, settings.leaseSeconds) * 1000,
    deliveriesMax: memberOr('deliveriesMax', before?.deliveriesMax, DELIVERIES_MAX, settings.deliveriesMax),
  };
  rejectOtherKind(members, 'pull');
  return pull;
}

const MEMBERS_OF_KIND = {
  webhook: ['url', 'dialect', 'format', 'headers', 'batch', 'timeoutMs', 'retryDelaysSeconds', 'secret', 'signature'],
  pull: ['leaseSeconds', 'deliveriesMax'],
};

/**
 * Rejects the remaining members. A member of the other kind has an error text of its own.
 * @throws PolycastError `invalid_body`
 */
function rejectOtherKind(members: MemberReader, kind: 'webhook' | 'pull'): void {
  const other = kind === 'pull' ? 'webhook' : 'pull';
  for (const name of members.remainingNames)
    if (MEMBERS_OF_KIND[other].includes(name))
      throw invalidBody(`delivery.${name}`, `belongs to a ${other}, and this is a ${kind}`);
  members.rejectUnknown();
}

/**
 * Checks a URL without a name lookup. The sender checks the destination again at every connection.
 */
export function urlCheck({ sender }: SubscriptionParts): Validator<string> {
  return (value) => {
    const url = typeof value === 'string' && value.length <= URL_LENGTH_MAX ? URL.parse(value) : null;
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      return { wrong: `must be an http or https URL of at most ${URL_LENGTH_MAX} characters` };
    const text = value as string;
    if (url.username !== '' || url.password !== '' || text.includes('#') || !/^[\x21-\x7e]+$/.test(text))
      return { wrong: 'must be percent-encoded, without user, password and fragment' };
    const refused = sender.urlProblem(text);
    if (refused !== undefined)
      throw new PolycastError('endpoint_refused', refused.detail, { category: refused.failure });
    return { value: text };
  };
}

function unchanged<Value extends string>(before: Value): Validator<Value> {
  return (value) => (value === before ? { value: before } : { wrong: `is ${before} and cannot change` });
}

const batch: Validator<WebhookDelivery['batch']> = (value) => {
  const checked = object(value);
  if ('wrong' in checked) return checked;
  const members = new MemberReader(checked.value, 'delivery.batch.');
  const countMax = members.required('countMax', integer(1, BATCH_COUNT_MAX));
  const waitMs = members.optional('waitMs', integer(0, BATCH_WAIT_MS_MAX)) ?? 0;
  members.rejectUnknown();
  return { value: { countMax, waitMs } };
};

const retryDelays: Validator<SubscriptionSettings['retryDelaysSeconds']> = (value) =>
  Array.isArray(value) &&
  value.length <= RETRIES_MAX &&
  value.every((seconds) => Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= RETRY_SECONDS_MAX)
    ? { value: value as number[] }
    : { wrong: `must be a list of at most ${RETRIES_MAX} whole numbers of seconds, 1 to ${RETRY_SECONDS_MAX}` };
