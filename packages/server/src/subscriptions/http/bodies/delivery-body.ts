import { text } from '../../../http/openapi/schemas.ts';
import { PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import { memberOf, refuse, requiring } from '../../../http/body/body-schema.ts';
import { BODY_FORMATS, type PullDelivery, type Secret, type WebhookDelivery } from '../../state/definition.ts';
import type { SubscriptionSettings } from '../../state/settings.ts';
import { invalidBody, MemberReader, integer, type Validator } from '../../../http/body/json-body.ts';
import { object, oneOf, orNull, rejectFixed } from './checks.ts';
import { HEADER_LENGTH_MAX, HEADERS_MAX } from '../../webhook/request/header-rules.ts';
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

/** The members by which a body gives a secret, or asks for one. */
export const SECRET_MEMBERS: {
  readonly secret: z.ZodExactOptional<z.ZodType<string>>;
  readonly signature: z.ZodExactOptional<z.ZodType<'hmac' | 'ed25519'>>;
} = {
  secret: requiring(
    text({ examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] }).transform((text, context) => {
      const secret = completeSecret(text);
      if (secret === undefined) context.issues.push({ code: 'custom', input: text });
      return secret ?? '';
    }),
    `must be ${SECRET_RULE}`,
  )
    .describe(`${SECRET_RULE.replace(/whs\w+_/g, '`$&`')}. By default the hub creates one.`)
    .exactOptional(),
  signature: requiring(z.enum(['hmac', 'ed25519']), 'must be hmac or ed25519')
    .meta({ default: 'hmac', description: 'The kind of secret that the hub creates.' })
    .exactOptional(),
};

type GivenSecret = z.output<z.ZodObject<typeof SECRET_MEMBERS>>;

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

/** Refuses a signature that is not that of the secret. */
export function checkSignature(context: z.core.ParsePayload<GivenSecret>): void {
  const { secret, signature } = context.value;
  if (secret !== undefined && signature !== undefined && secret.startsWith('whsk_') !== (signature === 'ed25519'))
    refuse(context, 'does not match the secret', ['signature']);
}

/** The secret of a delivery, or a new one. */
function readSecret(members: MemberReader): Secret {
  const secret = members.optional('secret', memberOf(SECRET_MEMBERS.secret));
  const signature = members.optional('signature', oneOf('hmac', 'ed25519'));
  if (secret !== undefined && signature !== undefined && secret.startsWith('whsk_') !== (signature === 'ed25519'))
    throw invalidBody('signature', 'does not match the secret');
  return givenOrNewSecret({ ...(secret !== undefined && { secret }), ...(signature !== undefined && { signature }) });
}

export function givenOrNewSecret({ secret, signature = 'hmac' }: GivenSecret): Secret {
  return { text: secret ?? createSecret(signature), endsMs: undefined };
}

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

/** A URL of an endpoint. */
export function endpointUrl(): z.ZodString {
  return z
    .string()
    .max(URL_LENGTH_MAX)
    .meta({ format: 'uri', examples: ['https://shop.example/hook'] });
}

/** The members of a webhook's delivery, as a description. */
export function webhookMembers({ settings }: SubscriptionParts): Readonly<Record<string, z.ZodType>> {
  const { timeoutMaxMs } = settings;
  const batchSchema = z.strictObject({
    countMax: z.int().min(1).max(BATCH_COUNT_MAX),
    waitMs: z.int().min(0).max(BATCH_WAIT_MS_MAX).default(0),
  });
  return {
    url: endpointUrl(),
    format: z.enum(BODY_FORMATS).meta({ default: BODY_FORMATS[0] }),
    headers: z.record(z.string(), z.string().max(HEADER_LENGTH_MAX)).meta({
      maxProperties: HEADERS_MAX,
      description: 'Headers of each request. Values that contain credentials are shown as `…`.',
      examples: [{ 'x-team': 'warehouse' }],
    }),
    batch: batchSchema
      .nullable()
      .describe('Up to `countMax` events in a request, as a JSON array. The first event waits this long for more.'),
    timeoutMs: z.int().min(TIMEOUT_MS_MIN).max(timeoutMaxMs).describe('The timeout of a whole request.'),
    retryDelaysSeconds: z.array(z.int().min(1).max(RETRY_SECONDS_MAX)).max(RETRIES_MAX),
  };
}

/** The members of a pull's delivery, as a description. */
export function pullMembers({ settings }: SubscriptionParts): Readonly<Record<string, z.ZodType>> {
  return {
    leaseSeconds: z.int().min(1).max(settings.leaseMaxSeconds),
    deliveriesMax: z.int().min(1).max(DELIVERIES_MAX),
  };
}
