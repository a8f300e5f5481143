import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { Credentials } from '../../core/access/authority.ts';

/** Makes a token without checks, so that a test can make an invalid one. */
export function tokenOf(header: object | string, claims: object | string, signer: (signed: string) => Buffer): string {
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${signer(signed).toString('base64url')}`;
}

export function hmac(secret: string | Buffer): (signed: string) => Buffer {
  return (signed) => createHmac('sha256', secret).update(signed).digest();
}

export function ecdsa(key: KeyObject): (signed: string) => Buffer {
  return (signed) => sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
}

export function rsa(key: KeyObject): (signed: string) => Buffer {
  return (signed) => sign('sha256', Buffer.from(signed), key);
}

export const SECRET = 'a secret of thirty-two bytes or more';

/** Key pairs for all tests: making an RSA key is slow. */
export const PAIRS: Readonly<
  Record<'RS256' | 'ES256' | 'EdDSA', { readonly publicKey: KeyObject; readonly privateKey: KeyObject }>
> = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
};

export function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }) as string;
}

export function jwkOf(key: KeyObject, kid?: string): Record<string, unknown> {
  return { ...key.export({ format: 'jwk' }), ...(kid === undefined ? {} : { kid }) };
}

export function credentialsWith(token: string | undefined): Credentials {
  return { token, cookie: () => undefined, header: () => undefined, origin: undefined, address: '127.0.0.1' };
}

function part(value: object | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}
