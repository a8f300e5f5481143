import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { HmacKey } from './hmac.ts';
import type { Secret } from '../../state/definition.ts';

/**
 * The signing secrets of Standard Webhooks 1.0. `whsec_…` signs and verifies by HMAC-SHA256;
 * `whsk_…` is an ed25519 key, which signs while its public key `whpk_…` verifies.
 */
export type SecretKind = 'hmac' | 'ed25519';

/** The form of a secret, as a text for people. */
export const SECRET_RULE = 'whsec_ and 24 to 64 bytes in base64, or whsk_ and an ed25519 key';

const NEW_SHARED_BYTES = 32;
const SHARED_BYTES_MIN = 24;
const SHARED_BYTES_MAX = 64;
const SEED_BYTES = 32;
/** Lengths in bytes: a seed, or a seed and its public key, as libsodium and Go store it. */
const PRIVATE_BYTES: readonly number[] = [SEED_BYTES, 2 * SEED_BYTES];
/** The bytes in front of the seed of an ed25519 key in PKCS #8 (RFC 8410, section 7). */
const SEED_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Creates a secret. */
export function createSecret(kind: SecretKind): string {
  if (kind === 'hmac') return `whsec_${randomBytes(NEW_SHARED_BYTES).toString('base64')}`;
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return pairText(Buffer.from(d as string, 'base64url'), Buffer.from(x as string, 'base64url'));
}

/**
 * A given secret as it is stored: a seed without its public key is completed to the pair.
 * `undefined` for an invalid secret.
 */
export function completeSecret(given: string): string | undefined {
  const parsed = parseSecret(given);
  if (parsed === undefined) return undefined;
  const { isShared, bytes } = parsed;
  if (isShared) return given;
  const seed = bytes.subarray(0, SEED_BYTES);
  const publicKey = publicBytes(seed);
  const isPair = bytes.length === SEED_BYTES || bytes.subarray(SEED_BYTES).equals(publicKey);
  return isPair ? pairText(seed, publicKey) : undefined;
}

/** The public facts about a secret, as the API shows them. */
export function describeSecret({ text, endsMs }: Secret): object {
  const expires = expiryText(endsMs);
  const parsed = parseSecret(text);
  if (parsed === undefined || parsed.isShared) return { kind: 'hmac', expires };
  const publicKey = publicBytes(parsed.bytes.subarray(0, SEED_BYTES));
  return { kind: 'ed25519', publicKey: `whpk_${publicKey.toString('base64')}`, expires };
}

export function expiryText(endsMs: number | undefined): string | null {
  return endsMs === undefined ? null : new Date(endsMs).toISOString();
}

/** A key of HMAC, or the private key of ed25519. */
export type SigningKey = HmacKey | KeyObject;

/** Cache of keys by secret, some hundred bytes each. It is emptied at its bound. */
const keys = new Map<string, SigningKey>();
const KEYS_MAX = 4096;

/** The key of a secret. @throws TypeError if it is invalid */
export function signingKey(secret: string): SigningKey {
  const known = keys.get(secret);
  if (known !== undefined) return known;
  const parsed = parseSecret(secret);
  if (parsed === undefined)
    throw new TypeError('a secret must be whsec_ and 24 to 64 bytes, or whsk_ and an ed25519 key, in base64');
  const { isShared, bytes } = parsed;
  const key = isShared ? new HmacKey(bytes) : privateKey(bytes.subarray(0, SEED_BYTES));
  if (keys.size >= KEYS_MAX) keys.clear();
  keys.set(secret, key);
  return key;
}

function parseSecret(secret: string): { readonly isShared: boolean; readonly bytes: Buffer } | undefined {
  const [, prefix, text = ''] = /^(whsec_|whsk_)([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const bytes = Buffer.from(text, 'base64');
  const isShared = prefix === 'whsec_';
  const isValid = isShared
    ? bytes.length >= SHARED_BYTES_MIN && bytes.length <= SHARED_BYTES_MAX
    : prefix === 'whsk_' && PRIVATE_BYTES.includes(bytes.length);
  return isValid ? { isShared, bytes } : undefined;
}

function privateKey(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([SEED_HEAD, seed]), format: 'der', type: 'pkcs8' });
}

function publicBytes(seed: Buffer): Buffer {
  return Buffer.from(createPublicKey(privateKey(seed)).export({ format: 'jwk' }).x as string, 'base64url');
}

function pairText(seed: Buffer, publicKey: Buffer): string {
  return `whsk_${Buffer.concat([seed, publicKey]).toString('base64')}`;
}
