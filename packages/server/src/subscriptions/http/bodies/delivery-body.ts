import { PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import { checkedBy, explainingUnknown, integer, oneOf, refuse, requiring } from '../../../http/body/body-schema.ts';
import { text } from '../../../http/openapi/schemas.ts';
import {
  BODY_FORMATS,
  type BodyFormat,
  type PullDelivery,
  type Secret,
  type WebhookDelivery,
} from '../../state/definition.ts';
import { completeSecret, createSecret, SECRET_RULE } from '../../webhook/request/secrets.ts';
import { givenHeaders, revealedHeaders, shownHeaders } from './headers-body.ts';
import type { SubscriptionParts } from '../parts.ts';

export const URL_LENGTH_MAX = 2048;
const BATCH_COUNT_MAX = 1000;
const BATCH_WAIT_MS_MAX = 60_000;
const TIMEOUT_MS_MIN = 100;
const RETRIES_MAX = 30;
const RETRY_SECONDS_MAX = 7 * 86_400;
const DELIVERIES_MAX = 1000;

type Kind = 'webhook' | 'pull';

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
  signature: oneOf('hmac', 'ed25519')
    .meta({ default: 'hmac', description: 'The kind of secret that the hub creates.' })
    .exactOptional(),
};

type GivenSecret = z.output<z.ZodObject<typeof SECRET_MEMBERS>>;

/** Refuses a signature that is not that of the secret. */
export function checkSignature(context: z.core.ParsePayload<GivenSecret>): void {
  const { secret, signature } = context.value;
  if (secret !== undefined && signature !== undefined && secret.startsWith('whsk_') !== (signature === 'ed25519'))
    refuse(context, 'does not match the secret', ['signature']);
}

export function givenOrNewSecret({ secret, signature = 'hmac' }: GivenSecret): Secret {
  return { text: secret ?? createSecret(signature), endsMs: undefined };
}

/** A URL of an endpoint. */
export function endpointUrl(): z.ZodString {
  return z
    .string()
    .max(URL_LENGTH_MAX)
    .meta({ format: 'uri', examples: ['https://shop.example/hook'] });
}

/**
 * A URL of an endpoint in a request. No name is looked up. The sender checks the destination again
 * at every connection. Errors: `endpoint_refused`.
 */
export function givenUrl({ sender }: Pick<SubscriptionParts, 'sender'>): z.ZodString {
  return checkedBy(endpointUrl(), (value) => urlProblem(sender, value));
}

function urlProblem(sender: SubscriptionParts['sender'], value: unknown): string | PolycastError | undefined {
  const url = typeof value === 'string' && value.length <= URL_LENGTH_MAX ? URL.parse(value) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    return `must be an http or https URL of at most ${URL_LENGTH_MAX} characters`;
  const text = value as string;
  if (url.username !== '' || url.password !== '' || text.includes('#') || !/^[\x21-\x7e]+$/.test(text))
    return 'must be percent-encoded, without user, password and fragment';
  const refused = sender.urlProblem(text);
  return refused && new PolycastError('endpoint_refused', refused.detail, { category: refused.failure });
}

interface WebhookOptions {
  readonly format: z.ZodType<BodyFormat>;
  readonly headers: z.ZodType<WebhookDelivery['headers']>;
  readonly batch: z.ZodType<NonNullable<WebhookDelivery['batch']>>;
  readonly timeoutMs: z.ZodType<number>;
  readonly retryDelaysSeconds: z.ZodType<number[]>;
}

/** The options of a webhook, as a response has them. */
export function webhookOptions({ settings: { timeoutMaxMs } }: SubscriptionParts): WebhookOptions {
  return {
    format: oneOf(...BODY_FORMATS).meta({ default: BODY_FORMATS[0] }),
    headers: shownHeaders(),
    batch: z
      .strictObject({ countMax: integer(1, BATCH_COUNT_MAX), waitMs: integer(0, BATCH_WAIT_MS_MAX).default(0) })
      .describe('Up to `countMax` events in a request, as a JSON array. The first event waits this long for more.'),
    timeoutMs: integer(TIMEOUT_MS_MIN, timeoutMaxMs).describe('The timeout of a whole request.'),
    retryDelaysSeconds: requiring(
      z.array(z.int().min(1).max(RETRY_SECONDS_MAX)).max(RETRIES_MAX),
      `must be a list of at most ${RETRIES_MAX} whole numbers of seconds, 1 to ${RETRY_SECONDS_MAX}`,
    ),
  };
}

interface PullOptions {
  readonly leaseSeconds: z.ZodType<number>;
  readonly deliveriesMax: z.ZodType<number>;
}

/** The options of a pull queue. */
export function pullOptions({ settings: { leaseMaxSeconds } }: SubscriptionParts): PullOptions {
  return { leaseSeconds: integer(1, leaseMaxSeconds), deliveriesMax: integer(1, DELIVERIES_MAX) };
}

type Given<Options extends Record<keyof Options, z.ZodType>> = {
  readonly [Name in keyof Options]: z.ZodExactOptional<z.ZodNullable<Options[Name]>>;
};

/** The same in a request: each may be absent, or `null` for the default. */
function given<Options extends Record<keyof Options, z.ZodType>>(options: Options): Given<Options> {
  return Object.fromEntries(
    Object.entries<z.ZodType>(options).map(([name, schema]) => [name, schema.nullable().exactOptional()]),
  ) as Given<Options>;
}

function kindMember<const Name extends Kind>(kind: Name): z.ZodLiteral<Name> {
  return requiring(z.literal(kind), 'must be webhook or pull');
}

/**
 * The schemas of `delivery` (PROTOCOL.md section 14.1), for a creation and for a change.
 * A member of the other kind has a refusal of its own.
 */
export type DeliverySchemas = ReturnType<typeof createSchemas>;

export function deliverySchemas(parts: SubscriptionParts): DeliverySchemas {
  return createSchemas(parts);
}

function createSchemas(parts: SubscriptionParts) {
  const { creatableNames, names } = parts.dialects;
  const url = givenUrl(parts);
  const webhook = given({ ...webhookOptions(parts), headers: givenHeaders(parts.dialects) });
  const pull = given(pullOptions(parts));
  const newWebhook = z
    .strictObject({
      kind: kindMember('webhook'),
      dialect: oneOf(...creatableNames)
        .meta({ default: creatableNames[0] })
        .exactOptional(),
      ...SECRET_MEMBERS,
      url,
      ...webhook,
    })
    .check(checkSignature)
    .meta({ id: 'NewWebhookDelivery' });
  const newPull = z.strictObject({ kind: kindMember('pull'), ...pull }).meta({ id: 'NewPullDelivery' });
  const changedWebhook = z
    .strictObject({
      kind: kindMember('webhook').exactOptional(),
      dialect: oneOf(...names).exactOptional(),
      url: url.exactOptional(),
      ...webhook,
    })
    .meta({ id: 'WebhookDeliveryChanges' });
  const changedPull = z
    .strictObject({ kind: kindMember('pull').exactOptional(), ...pull })
    .meta({ id: 'PullDeliveryChanges' });
  const ofWebhook = membersOfOther(newWebhook, 'webhook');
  const ofPull = membersOfOther(newPull, 'pull');
  return {
    newWebhook: explainingUnknown(newWebhook, ofPull),
    newPull: explainingUnknown(newPull, ofWebhook),
    changedWebhook: explainingUnknown(changedWebhook, ofPull),
    changedPull: explainingUnknown(changedPull, ofWebhook),
  };
}

/** Why the members of one kind are refused in the other. */
function membersOfOther({ shape }: z.ZodObject, kind: Kind): Readonly<Record<string, string>> {
  const reason = `belongs to a ${kind}, and this is a ${kind === 'pull' ? 'webhook' : 'pull'}`;
  return Object.fromEntries(Object.keys(shape).flatMap((name) => (name === 'kind' ? [] : [[name, reason]])));
}

/** The delivery of a new webhook, with the secret of the body or a new one. */
export function newWebhook(
  parts: SubscriptionParts,
  {
    secret,
    signature,
    url,
    dialect = parts.dialects.creatableNames[0] as string,
    ...options
  }: z.output<DeliverySchemas['newWebhook']>,
): WebhookDelivery {
  const secrets = [
    givenOrNewSecret({ ...(secret !== undefined && { secret }), ...(signature !== undefined && { signature }) }),
  ];
  return changedWebhook(parts, { ...webhookDefaults(parts, dialect), url, secrets }, options);
}

/** Replaces the members of a webhook's delivery that the body has. */
export function changedWebhook(
  parts: SubscriptionParts,
  before: WebhookDelivery,
  {
    url = before.url,
    format,
    headers,
    batch,
    timeoutMs,
    retryDelaysSeconds,
  }: z.output<DeliverySchemas['changedWebhook']>,
): WebhookDelivery {
  const defaults = webhookDefaults(parts, before.dialect);
  // Headers may contain credentials for the previous origin, so another origin does not receive
  // them.
  const isSameOrigin = URL.parse(url)?.origin === URL.parse(before.url)?.origin;
  const kept = isSameOrigin ? before.headers : {};
  return {
    kind: 'webhook',
    url,
    dialect: before.dialect,
    format: replaced(before.format, format, defaults.format),
    headers: headers === undefined ? kept : revealedHeaders(headers ?? {}, kept),
    batch: replaced(before.batch, batch, undefined),
    timeoutMs: replaced(before.timeoutMs, timeoutMs, defaults.timeoutMs),
    retryDelaysMs: replaced(
      before.retryDelaysMs,
      retryDelaysSeconds?.map((seconds) => seconds * 1000) ?? (retryDelaysSeconds as null | undefined),
      defaults.retryDelaysMs,
    ),
    secrets: before.secrets,
  };
}

/** Replaces the members of a pull queue's delivery that the body has. */
export function changedPull(
  parts: SubscriptionParts,
  before: PullDelivery,
  { leaseSeconds, deliveriesMax }: z.output<DeliverySchemas['changedPull']>,
): PullDelivery {
  const defaults = pullDefaults(parts);
  return {
    kind: 'pull',
    leaseMs: replaced(before.leaseMs / 1000, leaseSeconds, defaults.leaseMs / 1000) * 1000,
    deliveriesMax: replaced(before.deliveriesMax, deliveriesMax, defaults.deliveriesMax),
  };
}

/** A given member replaces the one before; `null` selects the default. */
function replaced<Value>(before: Value, value: Value | null | undefined, defaultValue: Value): Value {
  return value === undefined ? before : (value ?? defaultValue);
}

function webhookDefaults({ settings, dialects }: SubscriptionParts, dialect: string): WebhookDelivery {
  return {
    kind: 'webhook',
    url: '',
    dialect,
    format: dialects.get(dialect).defaultFormat,
    headers: {},
    batch: undefined,
    timeoutMs: settings.timeoutMs,
    retryDelaysMs: settings.retryDelaysSeconds.map((seconds) => seconds * 1000),
    secrets: [],
  };
}

export function pullDefaults({ settings }: SubscriptionParts): PullDelivery {
  return { kind: 'pull', leaseMs: settings.leaseSeconds * 1000, deliveriesMax: settings.deliveriesMax };
}
