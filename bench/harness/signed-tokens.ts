// Tokens of users, each signed with ES256, and the issuer that a hub accepts them from.
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from './folders.ts';

export const lifetimeSeconds = 86_400;

export interface Material {
  readonly folder: string;
  readonly tokens: string;
  /** Other tokens, for the warm-up. */
  readonly others: string;
  readonly key: string;
  readonly signer: KeyObject;
}

export function material(count: number): Material {
  const folder = freshFolder('tokens');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = join(folder, 'key.pem');
  writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }));
  const base = { folder, signer: privateKey, key };
  return { ...base, tokens: writeTokens(base, 'user', count), others: writeTokens(base, 'other', count) };
}

/** Writes tokens of so many users whose names begin with `kind`. Returns the path of their file. */
export function writeTokens(
  { folder, signer }: Pick<Material, 'folder' | 'signer'>,
  kind: string,
  count: number,
): string {
  const file = join(folder, `${kind}s.txt`);
  writeFileSync(file, Array.from({ length: count }, (_, index) => tokenOf(`${kind}-${index}`, signer)).join('\n'));
  return file;
}

/** Claims as a site sets them. */
function tokenOf(user: string, key: KeyObject): string {
  const iat = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: 'https://shop.example',
    aud: 'polycast',
    sub: user,
    iat,
    exp: iat + lifetimeSeconds,
    jti: `${user}-${iat}`,
  };
  const signed = `${part({ alg: 'ES256', typ: 'JWT', kid: 'bench' })}.${part(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** The setting of a hub that accepts these tokens. */
export function issuerOf({ key }: Material): string {
  const issuer = {
    issuer: 'https://shop.example',
    audience: 'polycast',
    keys: [{ algorithm: 'ES256', kid: 'bench', publicKeyFile: key }],
  };
  return `identity.tokens=${JSON.stringify([issuer])}`;
}
