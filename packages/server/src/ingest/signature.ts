import { createHmac, createPublicKey, timingSafeEqual, verify, type KeyObject } from 'node:crypto';

/**
 * A signature claim is what the headers of a request say of its signature. Example: `t=1700000000,
 * v1=5257a8…` claims that the HMAC of `1700000000.` and the body is `5257a8…`.
 */
export interface SignatureClaim {
  /** The signed text in front of the body. */
  readonly prefix: string;
  /** The signed time, in seconds since 1970. `undefined` for providers that sign no time. */
  readonly seconds: number | undefined;
  /** At most `SIGNATURES_MAX`. A provider that changes its secret signs with both. */
  readonly signatures: readonly Signature[];
}

export interface Signature {
  readonly scheme: Scheme;
  readonly bytes: Buffer;
}

/** HMAC is HMAC-SHA256. */
export type Scheme = 'hmac' | 'ed25519';

/** The most signatures that the hub compares in one request. */
export const SIGNATURES_MAX = 4;

/** A key that verifies signatures. */
export type SignatureKey =
  | { readonly scheme: 'hmac'; readonly secret: Buffer }
  | { readonly scheme: 'ed25519'; readonly publicKey: KeyObject };

/** The bytes in front of an ed25519 public key in SPKI (RFC 8410, section 4). */
const PUBLIC_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** @param bytes 32 bytes */
export function ed25519Key(bytes: Buffer): SignatureKey {
  const key = Buffer.concat([PUBLIC_HEAD, bytes]);
  return { scheme: 'ed25519', publicKey: createPublicKey({ key, format: 'der', type: 'spki' }) };
}

/** Whether one of the keys made one of the signatures. HMACs are compared in constant time. */
export function isSigned(claim: SignatureClaim, keys: readonly SignatureKey[], body: Uint8Array): boolean {
  return keys.some((key) => isSignedWith(claim, key, body));
}

function isSignedWith({ prefix, signatures }: SignatureClaim, key: SignatureKey, body: Uint8Array): boolean {
  const candidates = signatures.filter(({ scheme }) => scheme === key.scheme);
  if (candidates.length === 0) return false;
  if (key.scheme === 'ed25519') {
    const signed = Buffer.concat([Buffer.from(prefix), body]);
    return candidates.some(({ bytes }) => verify(null, signed, key.publicKey, bytes));
  }
  const expected = createHmac('sha256', key.secret).update(prefix).update(body).digest();
  return candidates.some(({ bytes }) => bytes.length === expected.length && timingSafeEqual(bytes, expected));
}
