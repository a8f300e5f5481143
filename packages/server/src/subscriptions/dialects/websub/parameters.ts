import type { PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import { detachedCopy } from '../../../core/interests/interest.ts';
import { checkedBy, parseBody, refuse, requiring } from '../../../http/body/body-schema.ts';
import { invalidMember } from '../../../http/refusals.ts';
import { HUB_ALGORITHMS, type HubAlgorithm } from './settings.ts';

/** A request to the WebSub hub (PROTOCOL.md section 14.7). */
export type HubRequest = Intent | Ping;

/** A subscriber's request, which its callback has to confirm. */
export interface Intent {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly topic: string;
  readonly callback: string;
  /** The requested lease. The hub decides. */
  readonly leaseSeconds: number | undefined;
  readonly secret: string | undefined;
  /** The requested algorithm; `undefined` selects the configured one. */
  readonly algorithm: HubAlgorithm | undefined;
  /** A parameter of PubSubHubbub 0.3. The verification returns it. */
  readonly verifyToken: string | undefined;
}

/** A publisher's notice that these topics have changed. */
export interface Ping {
  readonly mode: 'publish';
  readonly topics: readonly PingedTopic[];
}

/** A topic and its parameter: `hub.url` in PubSubHubbub, `hub.topic` in drafts of WebSub. */
export interface PingedTopic {
  readonly name: 'hub.url' | 'hub.topic';
  readonly url: string;
}

const URL_LENGTH_MAX = 2048;
/** WebSub section 5.1: less than 200 bytes. */
const SECRET_BYTES_MAX = 199;
const TOKEN_LENGTH_MAX = 1024;
/** Most topics of one ping. */
const TOPICS_MAX = 100;

/**
 * A parameter that may occur once. Its value is a copy: a substring keeps the whole string in
 * memory, and here that is a body whose length the sender chooses.
 */
function parameter<Text extends string>(
  schema: z.ZodType<Text>,
  problemOf: (text: string) => string | undefined,
): z.ZodType<Text> {
  const once = (value: unknown): string | undefined =>
    typeof value === 'string' ? problemOf(value) : 'may occur only once';
  return requiring(
    checkedBy(schema, once).transform((text) => detachedCopy(text) as Text),
    once,
  );
}

function mode<const Mode extends HubRequest['mode']>(name: Mode): z.ZodType<Mode> {
  return parameter(z.literal(name), (text) =>
    text === name ? undefined : 'must be subscribe, unsubscribe or publish',
  );
}

const url = parameter(z.string().max(URL_LENGTH_MAX).meta({ format: 'uri' }), urlProblem);
const verifyToken = parameter(z.string().max(TOKEN_LENGTH_MAX), (text) =>
  text.length > TOKEN_LENGTH_MAX ? `must have at most ${TOKEN_LENGTH_MAX} characters` : undefined,
);
/** PubSubHubbub 0.3: an empty value or 0 leaves the lease to the hub. */
const leaseSeconds = parameter(z.string().meta({ type: 'integer', minimum: 0 }), (text) =>
  /^\d{0,15}$/.test(text) ? undefined : 'must be a whole number of seconds',
).transform((text) => (text === '' || text === '0' ? undefined : Number(text)));
const secret = parameter(z.string().meta({ maxLength: SECRET_BYTES_MAX }), (text) =>
  Buffer.byteLength(text) > SECRET_BYTES_MAX ? 'must be less than 200 bytes long' : undefined,
).transform((text) => (text === '' ? undefined : text));
const algorithm = parameter(z.enum(HUB_ALGORITHMS), (text) =>
  HUB_ALGORITHMS.some((each) => each === text) ? undefined : 'must be sha1, sha256, sha384 or sha512',
);

const SUBSCRIBE = z
  .object({
    'hub.mode': mode('subscribe'),
    'hub.topic': url,
    'hub.callback': url,
    'hub.lease_seconds': leaseSeconds.exactOptional(),
    'hub.secret': secret.exactOptional(),
    'hub.algorithm': algorithm.exactOptional(),
    'hub.verify_token': verifyToken.exactOptional(),
  })
  .meta({ id: 'HubSubscribe', description: 'WebSub section 5.1.' });

/**
 * "This parameter MAY be present for unsubscription requests and MUST be ignored by the hub in that
 * case" (WebSub section 5.1, of the lease; the hub ignores the secret and the algorithm too).
 */
const UNSUBSCRIBE = z
  .object({
    'hub.mode': mode('unsubscribe'),
    'hub.topic': url,
    'hub.callback': url,
    'hub.verify_token': verifyToken.exactOptional(),
  })
  .meta({ id: 'HubUnsubscribe', description: 'WebSub section 5.1.' });

/** The topics of a ping, any number of each name. */
const pinged = requiring(
  z.array(url).transform((urls) => [...new Set(urls)]),
  (value) =>
    (Array.isArray(value) ? value : [])
      .map((each) => urlProblem(String(each)))
      .find((problem) => problem !== undefined),
);

const PUBLISH = z
  .object({ 'hub.mode': mode('publish'), 'hub.url': pinged.exactOptional(), 'hub.topic': pinged.exactOptional() })
  .check((context) => {
    const { 'hub.url': urls = [], 'hub.topic': topics = [] } = context.value;
    const count = new Set([...urls, ...topics]).size;
    if (count === 0) refuse(context, 'is missing, and so is hub.url', ['hub.topic']);
    else if (count > TOPICS_MAX)
      refuse(context, `occurs more than ${TOPICS_MAX} times`, [urls.length > 0 ? 'hub.url' : 'hub.topic']);
  })
  .meta({ id: 'HubPublish', description: 'A ping. It needs `hub.url` or `hub.topic`, which may be repeated.' });

/**
 * The forms of a request. It may have other parameters, which the hub ignores (WebSub section 5.1).
 */
export const HUB_REQUEST: z.ZodType = z.xor([SUBSCRIBE, UNSUBSCRIBE, PUBLISH]).meta({ id: 'HubRequest' });

/**
 * Parses the parameters of a request.
 * @throws PolycastError `invalid_body`
 */
export function hubRequestOf(form: URLSearchParams): HubRequest {
  const given = parametersOf(form);
  if (given['hub.mode'] === 'publish') return pingOf(form);
  if (given['hub.mode'] === 'unsubscribe') {
    const read = parseBody(UNSUBSCRIBE, given, invalid);
    return { ...intentOf(read), leaseSeconds: undefined, secret: undefined, algorithm: undefined };
  }
  const read = parseBody(SUBSCRIBE, given, invalid);
  return {
    ...intentOf(read),
    leaseSeconds: read['hub.lease_seconds'],
    secret: read['hub.secret'],
    // `hub.algorithm` is an extension of Polycast. Subscribers of PubSubHubbub 0.3 (`hub.verify`)
    // know only SHA-1.
    algorithm: read['hub.algorithm'] ?? (form.has('hub.verify') ? 'sha1' : undefined),
  };
}

function intentOf(
  read: z.output<typeof UNSUBSCRIBE | typeof SUBSCRIBE>,
): Pick<Intent, 'mode' | 'topic' | 'callback' | 'verifyToken'> {
  return {
    mode: read['hub.mode'],
    topic: read['hub.topic'],
    callback: read['hub.callback'],
    verifyToken: read['hub.verify_token'],
  };
}

/** Each topic once. One ping may name several topics, with both parameters. */
function pingOf(form: URLSearchParams): Ping {
  const lists = { 'hub.url': form.getAll('hub.url'), 'hub.topic': form.getAll('hub.topic') };
  const read = parseBody(PUBLISH, { 'hub.mode': 'publish', ...lists }, invalid);
  const urls = read['hub.url'] ?? [];
  const others = (read['hub.topic'] ?? []).filter((topic) => !urls.includes(topic));
  return {
    mode: 'publish',
    topics: [
      ...urls.map((each) => ({ name: 'hub.url' as const, url: each })),
      ...others.map((each) => ({ name: 'hub.topic' as const, url: each })),
    ],
  };
}

/** The values of known parameters; a list for one that occurs more than once. */
function parametersOf(form: URLSearchParams): Readonly<Record<string, string | readonly string[]>> {
  const given: Record<string, string | readonly string[]> = {};
  for (const name of Object.keys(SUBSCRIBE.shape)) {
    const [first, ...others] = form.getAll(name);
    if (first !== undefined) given[name] = others.length === 0 ? first : [first, ...others];
  }
  return given;
}

function urlProblem(text: string): string | undefined {
  const parsed = URL.parse(text);
  if (text.length > URL_LENGTH_MAX || parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:'))
    return `must be an http or https URL of at most ${URL_LENGTH_MAX} characters`;
  if (parsed.username !== '' || parsed.password !== '' || text.includes('#'))
    return 'must have no user name, password or fragment';
  // A URL with unencoded characters would change when it is sent, or would end the `Link` header
  // that contains it.
  return /^[\x21\x23-\x3b\x3d\x3f-\x7e]+$/.test(text) ? undefined : 'must be percent-encoded ASCII';
}

/** The refusal of a parameter, whose name has no quotes. */
export function invalid(name: string, why: string): PolycastError {
  return invalidMember('invalid_body', name, `${name} ${why}.`);
}
