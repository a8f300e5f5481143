import { createHmac, createPrivateKey, createSecretKey, sign, type KeyObject } from 'node:crypto';
import type { Secret } from '../../state/definition.ts';

/** The signed content: the headers with these names, and the body as sent. */
export interface Signed {
  /** Contains no dot. The same for every attempt. */
  readonly id: string;
  /** Whole seconds since 1970, at this attempt. */
  readonly seconds: number;
  readonly body: Uint8Array;
}

/**
 * The value of `webhook-signature` (Standard Webhooks 1.0): one signature for each valid secret,
 * the newest secret first.
 * @throws TypeError if a secret is invalid
 */
export function signatures({ id, seconds, body }: Signed, secrets: readonly Secret[], nowMs: number): string {
  const head = `${id}.${seconds}.`;
  let list = '';
  for (const { text, endsMs } of secrets) {
    if (endsMs !== undefined && endsMs <= nowMs) continue;
    const one = signature(keyOf(text), head, body);
    list = list === '' ? one : `${list} ${one}`;
  }
  return list;
}

/**
 * The headers of an attempt that Standard Webhooks 1.0 defines.
 * @throws TypeError if a secret is invalid
 */
export function standardHeaders(
  secrets: readonly Secret[],
  id: string,
  body: Uint8Array,
  nowMs: number,
): Readonly<Record<string, string>> {
  const seconds = Math.floor(nowMs / 1000);
  const signature = signatures({ id, seconds, body }, secrets, nowMs);
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
}

interface SigningKey {
  readonly key: KeyObject;
  /** True for HMAC, false for ed25519. */
  readonly isShared: boolean;
}

function signature({ key, isShared }: SigningKey, head: string, body: Uint8Array): string {
  if (isShared) return `v1,${createHmac('sha256', key).update(head).update(body).digest('base64')}`;
  return `v1a,${sign(null, Buffer.concat([Buffer.from(head), body]), key).toString('base64')}`;
}

/** Cache of keys by secret, some hundred bytes each. It is emptied at its bound. */
const keys = new Map<string, SigningKey>();
const KEYS_MAX = 4096;

function keyOf(secret: string): SigningKey {
  const known = keys.get(secret);
  if (known !== undefined) return known;
  const key = readKey(secret);
  if (keys.size >= KEYS_MAX) keys.clear();
  keys.set(secret, key);
  return key;
}

const SHARED_BYTES_MIN = 24;
const SHARED_BYTES_MAX = 64;
const SEED_BYTES = 32;
/** Lengths in bytes: a seed, or a seed and its public key, as libsodium and Go store it. */
const PRIVATE_BYTES: readonly number[] = [SEED_BYTES, 2 * SEED_BYTES];
/** The bytes in front of the seed of an ed25519 key in PKCS #8 (RFC 8410, section 7). */
const SEED_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

function readKey(secret: string): SigningKey {
  const [, prefix, text = ''] = /^(whsec_|whsk_)([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const bytes = Buffer.from(text, 'base64');
  const isShared = prefix === 'whsec_';
  if (isShared && bytes.length >= SHARED_BYTES_MIN && bytes.length <= SHARED_BYTES_MAX)
    return { key: createSecretKey(bytes), isShared };
  if (prefix !== 'whsk_' || !PRIVATE_BYTES.includes(bytes.length))
    throw new TypeError('a secret is whsec_ and 24 to 64 bytes, or whsk_ and an ed25519 key, in base64');
  const der = Buffer.concat([SEED_HEAD, bytes.subarray(0, SEED_BYTES)]);
  return { key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }), isShared };
}
