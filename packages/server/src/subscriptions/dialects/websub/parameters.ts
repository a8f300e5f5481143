import * as z from 'zod';
import type { PolycastError } from '@polycast/protocol';
import { invalidMember } from '../../../http/refusals.ts';
import { detachedCopy } from '../../../core/interests/interest.ts';
import { named } from '../../../http/openapi/schemas.ts';
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
const MODES = ['subscribe', 'unsubscribe', 'publish'] as const;

/** The parameters of a request, as a description. */
export const hubRequestSchema: () => z.ZodType = named(
  'HubRequest',
  () => {
    const url = z.string().max(URL_LENGTH_MAX).meta({ format: 'uri' });
    return z.object({
      'hub.mode': z.enum(MODES),
      'hub.topic': url.optional(),
      'hub.callback': url.optional(),
      'hub.lease_seconds': z.int().min(0).optional(),
      'hub.secret': z.string().max(SECRET_BYTES_MAX).optional(),
      'hub.algorithm': z.enum(HUB_ALGORITHMS).optional(),
      'hub.verify_token': z.string().max(TOKEN_LENGTH_MAX).optional(),
      'hub.url': url.optional(),
    });
  },
  { description: 'WebSub section 5.1. `publish` needs `hub.url` or `hub.topic`, which may be repeated.' },
);

/**
 * Parses the parameters of a request. It ignores unknown ones, as WebSub section 5.1 requires.
 * @throws PolycastError `invalid_body`
 */
export function hubRequestOf(form: URLSearchParams): HubRequest {
  const mode = single(form, 'hub.mode');
  if (mode === 'publish') return { mode, topics: pinged(form) };
  if (mode !== 'subscribe' && mode !== 'unsubscribe')
    throw invalid('hub.mode', mode === undefined ? 'is missing' : 'must be subscribe, unsubscribe or publish');
  return {
    mode,
    topic: urlOf('hub.topic', single(form, 'hub.topic')),
    callback: urlOf('hub.callback', single(form, 'hub.callback')),
    ...(mode === 'subscribe' ? termsOf(form) : NO_TERMS),
    verifyToken: tokenOf(single(form, 'hub.verify_token')),
  };
}

type Terms = Pick<Intent, 'leaseSeconds' | 'secret' | 'algorithm'>;

function termsOf(form: URLSearchParams): Terms {
  return {
    leaseSeconds: leaseOf(single(form, 'hub.lease_seconds')),
    secret: secretOf(single(form, 'hub.secret')),
    algorithm: algorithmOf(form),
  };
}

/**
 * "This parameter MAY be present for unsubscription requests and MUST be ignored by the hub in that
 * case" (WebSub section 5.1).
 */
const NO_TERMS: Terms = { leaseSeconds: undefined, secret: undefined, algorithm: undefined };

/** Each topic once. One ping may name several topics, with both parameters. */
function pinged(form: URLSearchParams): readonly PingedTopic[] {
  const topics = new Map<string, PingedTopic>();
  for (const name of ['hub.url', 'hub.topic'] as const)
    for (const url of form.getAll(name))
      if (!topics.has(url)) topics.set(url, { name, url: detachedCopy(urlOf(name, url)) });
  const [first] = topics.values();
  if (first === undefined) throw invalid('hub.topic', 'is missing, and so is hub.url');
  if (topics.size > TOPICS_MAX) throw invalid(first.name, `occurs more than ${TOPICS_MAX} times`);
  return [...topics.values()];
}

function urlOf(name: string, text: string | undefined): string {
  if (text === undefined) throw invalid(name, 'is missing');
  const url = URL.parse(text);
  if (text.length > URL_LENGTH_MAX || url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw invalid(name, `must be an http or https URL of at most ${URL_LENGTH_MAX} characters`);
  if (url.username !== '' || url.password !== '' || text.includes('#'))
    throw invalid(name, 'must have no user name, password or fragment');
  // A URL with unencoded characters would change when it is sent, or would end the `Link` header
  // that contains it.
  if (!/^[\x21\x23-\x3b\x3d\x3f-\x7e]+$/.test(text)) throw invalid(name, 'must be percent-encoded ASCII');
  return text;
}

function leaseOf(text: string | undefined): number | undefined {
  // PubSubHubbub 0.3: an empty value or 0 leaves the lease to the hub.
  if (text === undefined || text === '' || text === '0') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw invalid('hub.lease_seconds', 'must be a whole number of seconds');
  return Number(text);
}

function secretOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (Buffer.byteLength(text) > SECRET_BYTES_MAX) throw invalid('hub.secret', 'must be less than 200 bytes long');
  return text;
}

/**
 * `hub.algorithm` is an extension of Polycast. Subscribers of PubSubHubbub 0.3 (`hub.verify`) know
 * only SHA-1.
 */
function algorithmOf(form: URLSearchParams): HubAlgorithm | undefined {
  const text = single(form, 'hub.algorithm');
  if (text === undefined) return form.has('hub.verify') ? 'sha1' : undefined;
  const algorithm = HUB_ALGORITHMS.find((each) => each === text);
  if (algorithm === undefined) throw invalid('hub.algorithm', 'must be sha1, sha256, sha384 or sha512');
  return algorithm;
}

function tokenOf(text: string | undefined): string | undefined {
  if (text !== undefined && text.length > TOKEN_LENGTH_MAX)
    throw invalid('hub.verify_token', `must have at most ${TOKEN_LENGTH_MAX} characters`);
  return text;
}

function single(form: URLSearchParams, name: string): string | undefined {
  const values = form.getAll(name);
  if (values.length > 1) throw invalid(name, 'may occur only once');
  const [value] = values;
  // A substring keeps the whole string in memory. Here that is a body whose length the sender
  // chooses.
  return value === undefined ? undefined : detachedCopy(value);
}

export function invalid(name: string, why: string): PolycastError {
  return invalidMember('invalid_body', name, `${name} ${why}.`);
}
