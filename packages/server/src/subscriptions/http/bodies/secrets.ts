import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import type { Secret } from '../../state/definition.ts';
import type { Validator } from '../../../http/body/json-body.ts';

/** The signature scheme of webhooks (PROTOCOL.md section 14.3, Standard Webhooks). */
export type SignatureKind = 'hmac' | 'ed25519';

const SYMMETRIC_BYTES = 32;
const SYMMETRIC_BYTES_MIN = 24;
const SYMMETRIC_BYTES_MAX = 64;
const SEED_BYTES = 32;
const PAIR_BYTES = 64;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Creates a secret: `whsec_…` signs and verifies, and `whsk_…` signs while its public key verifies.
 */
export function createSecret(kind: SignatureKind): string {
  if (kind === 'hmac') return `whsec_${randomBytes(SYMMETRIC_BYTES).toString('base64')}`;
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return `whsk_${Buffer.concat([Buffer.from(d as string, 'base64url'), Buffer.from(x as string, 'base64url')]).toString('base64')}`;
}

/** Validates a subscriber's own secret. A seed without its public key is completed to the pair. */
export const secretText: Validator<string> = (value) => {
  const [, scheme, text = ''] = typeof value === 'string' ? (/^(whsec|whsk)_(.*)$/s.exec(value) ?? []) : [];
  const bytes = BASE64.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
  if (scheme === 'whsec' && bytes.length >= SYMMETRIC_BYTES_MIN && bytes.length <= SYMMETRIC_BYTES_MAX)
    return { value: value as string };
  if (scheme === 'whsk' && (bytes.length === SEED_BYTES || bytes.length === PAIR_BYTES)) {
    const pair = Buffer.concat([bytes.subarray(0, SEED_BYTES), publicBytes(bytes.subarray(0, SEED_BYTES))]);
    if (bytes.length === SEED_BYTES || pair.equals(bytes)) return { value: `whsk_${pair.toString('base64')}` };
  }
  return {
    wrong: `must be whsec_ and ${SYMMETRIC_BYTES_MIN} to ${SYMMETRIC_BYTES_MAX} bytes in base64, or whsk_ and an ed25519 key`,
  };
};

/** The public facts about a secret. */
export function secretJson({ text, endsMs }: Secret): object {
  const expires = endsMs === undefined ? null : new Date(endsMs).toISOString();
  if (!text.startsWith('whsk_')) return { kind: 'hmac', expires };
  const seed = Buffer.from(text.slice('whsk_'.length), 'base64').subarray(0, SEED_BYTES);
  return { kind: 'ed25519', publicKey: `whpk_${publicBytes(seed).toString('base64')}`, expires };
}

/** The bytes in front of a seed in PKCS #8 (RFC 8410 section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

function publicBytes(seed: Buffer): Buffer {
  const key: KeyObject = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x as string, 'base64url');
}
