import { WebhookError } from './error.ts';
import { signedHeaders, type HeaderSource, type SignedHeaders } from './headers.ts';
import { decodeBase64, importKey, readSecret, type VerificationKey } from './keys.ts';

export interface VerifierOptions {
  /**
   * The secrets of the subscription: `whsec_…` for HMAC, `whpk_…` for Ed25519. Give several during
   * a rotation: one match is enough.
   */
  readonly secrets: string | readonly string[];
  /**
   * The tolerated difference between the sender's clock and this one, in either direction.
   * @default 300
   */
  readonly toleranceSeconds?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** A verified request. */
export interface VerifiedWebhook {
  /** The id of the message: the same for each attempt. */
  readonly id: string;
  /** The time at which this attempt was signed. */
  readonly timestamp: Date;
  /** The index of the secret that matched, from 0. Remove the old secret once it never matches. */
  readonly secretIndex: number;
}

/**
 * Checks one request.
 * @param body the body byte for byte; a string is encoded as UTF-8
 */
export type Verifier = (body: string | Uint8Array, headers: HeaderSource) => Promise<VerifiedWebhook>;

const TOLERANCE_SECONDS = 300;

/**
 * Makes a verifier of Standard Webhooks signatures, which rejects with WebhookError. It compares in
 * constant time.
 * @throws TypeError without a secret, or for an invalid one, such as an unset environment variable
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { secrets, toleranceSeconds = TOLERANCE_SECONDS, now = Date.now } = options;
  const list = (typeof secrets === 'string' ? [secrets] : secrets).map(readSecret);
  if (list.length === 0) throw new TypeError('verification needs a secret');
  let keys: Promise<readonly VerificationKey[]> | undefined;
  return async (body, headers) => {
    keys ??= Promise.all(list.map(importKey));
    const signed = signedHeaders(headers);
    checkTime(signed, toleranceSeconds, now());
    const secretIndex = await findMatchingKey(await keys, signed, signedBytes(signed, body));
    return { id: signed.id, timestamp: new Date(Number(signed.timestamp) * 1000), secretIndex };
  };
}

function checkTime({ timestamp }: SignedHeaders, toleranceSeconds: number, nowMs: number): void {
  const ageSeconds = Math.floor(nowMs / 1000) - Number(timestamp);
  if (Math.abs(ageSeconds) <= toleranceSeconds) return;
  const distance = `webhook-timestamp is ${Math.abs(ageSeconds)} s`;
  const tolerated = `${toleranceSeconds} s are tolerated`;
  throw ageSeconds > 0
    ? new WebhookError('too_old', `${distance} behind this clock; ${tolerated}`)
    : new WebhookError('too_new', `${distance} ahead of this clock; ${tolerated}`);
}

/** The index of the first key that matches one of the signatures. */
async function findMatchingKey(
  keys: readonly VerificationKey[],
  { signatures }: SignedHeaders,
  content: Uint8Array<ArrayBuffer>,
): Promise<number> {
  let tried = false;
  for (const [index, { scheme, key }] of keys.entries()) {
    for (const signature of signatures.filter((each) => each.startsWith(`${scheme},`))) {
      tried = true;
      const bytes = decodeBase64(signature.slice(scheme.length + 1));
      if (bytes !== undefined && (await crypto.subtle.verify(key.algorithm, key, bytes, content))) return index;
    }
  }
  if (tried) throw new WebhookError('wrong_signature', 'the signature matches none of the given secrets');
  const schemes = [...new Set(keys.map(({ scheme }) => scheme))].join(' and ');
  throw new WebhookError(
    'no_signature',
    `webhook-signature contains no signature of the scheme ${schemes}, for which a secret is given`,
  );
}

/** `id.timestamp.body` */
function signedBytes({ id, timestamp }: SignedHeaders, body: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const head = encoder.encode(`${id}.${timestamp}.`);
  const rest = typeof body === 'string' ? encoder.encode(body) : body;
  const bytes = new Uint8Array(head.length + rest.length);
  bytes.set(head);
  bytes.set(rest, head.length);
  return bytes;
}
