import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { TokenKeySettings } from '../../core/access/identity-settings.ts';
import type { VerificationKey } from './verification-keys.ts';
import { jwkOf, PAIRS, pem, SECRET } from './testing.ts';
import type { Signer } from '../../core/access/principal.ts';
import { ConfiguredKeyError } from '../configured-key.ts';
import { configuredKeys, createTokens } from './tokens.ts';

const SETTINGS = { userClaim: 'sub', leewaySeconds: 5, lifetimeMaxSeconds: 3600 };

function keyOf(key: TokenKeySettings, environment: Record<string, string> = {}): VerificationKey {
  const [made] = configuredKeys({ ...SETTINGS, keys: [key] }, 'identity.tokens.0', environment);
  return made as VerificationKey;
}

function problemOf(key: TokenKeySettings): string {
  try {
    keyOf(key);
  } catch (error) {
    if (error instanceof ConfiguredKeyError) return `${error.path}: ${error.message}`;
    throw error;
  }
  return 'taken';
}

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'key');
  writeFileSync(file, text);
  return file;
}

test.each(['RS256', 'ES256', 'EdDSA'] as const)(
  'a public key for %s may be PEM or a JWK, inline, in a file or in a variable',
  (algorithm) => {
    const { publicKey } = PAIRS[algorithm];
    const jwk = jwkOf(publicKey, 'own');
    const made = [
      keyOf({ algorithm, publicKey: pem(publicKey) }),
      keyOf({ algorithm, publicKey: jwk }),
      keyOf({ algorithm, publicKey: JSON.stringify(jwk) }),
      keyOf({ algorithm, publicKeyFile: fileWith(pem(publicKey)) }),
      keyOf({ algorithm, publicKeyEnvironment: 'KEY' }, { KEY: pem(publicKey) }),
    ];
    for (const { key } of made) expect(key.equals(publicKey)).toBe(true);
    expect(made.map(({ kid }) => kid)).toEqual([undefined, 'own', 'own', undefined, undefined]);
    expect(keyOf({ algorithm, kid: 'given', publicKey: jwk }).kid).toBe('given');
  },
);

test('a secret is the bytes of its text, without the line break at the end of a file; a JWK can contain any bytes', () => {
  const bytes = Buffer.from(SECRET);
  const made = [
    keyOf({ algorithm: 'HS256', secret: SECRET }),
    keyOf({ algorithm: 'HS256', secretFile: fileWith(`${SECRET}\n`) }),
    keyOf({ algorithm: 'HS256', secretEnvironment: 'KEY' }, { KEY: SECRET }),
    keyOf({ algorithm: 'HS256', secret: JSON.stringify({ kty: 'oct', k: bytes.toString('base64url') }) }),
  ];
  for (const { key } of made) expect(key.export()).toEqual(bytes);
});

const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
const other = generateKeyPairSync('ec', { namedCurve: 'P-384' });

test.each<[what: string, key: TokenKeySettings, message: RegExp]>([
  [
    'a short secret',
    { algorithm: 'HS256', secret: 'x'.repeat(31) },
    /keys\.0\.secret: cannot be used: a secret of 31 bytes is too short/,
  ],
  [
    'a public key as the secret',
    { algorithm: 'HS256', secret: pem(PAIRS.RS256.publicKey) },
    /in PEM, but HS256 requires a secret/,
  ],
  [
    'a public JWK as the secret',
    { algorithm: 'HS256', secret: JSON.stringify(jwkOf(PAIRS.RS256.publicKey)) },
    /HS256 requires a secret/,
  ],
  ['a short RSA key', { algorithm: 'RS256', publicKey: pem(weak.publicKey) }, /RSA key of 1024 bits/],
  ['an RSA-PSS key', { algorithm: 'RS256', publicKey: pem(pss.publicKey) }, /RS256 requires a public RSA key/],
  ['another curve', { algorithm: 'ES256', publicKey: pem(other.publicKey) }, /on the curve P-256/],
  [
    'an EC key for RS256',
    { algorithm: 'RS256', publicKey: pem(PAIRS.ES256.publicKey) },
    /RS256 requires a public RSA key/,
  ],
  ['an RSA key for EdDSA', { algorithm: 'EdDSA', publicKey: pem(PAIRS.RS256.publicKey) }, /EdDSA requires/],
  ['a secret for ES256', { algorithm: 'ES256', publicKey: { kty: 'oct', k: 'AAAA' } }, /ES256 requires/],
  [
    'a private key in PEM',
    { algorithm: 'ES256', publicKey: PAIRS.ES256.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string },
    /it is a private key/,
  ],
  ['a private JWK', { algorithm: 'ES256', publicKey: jwkOf(PAIRS.ES256.privateKey) }, /it is a private key/],
  ['something else', { algorithm: 'ES256', publicKey: 'hello' }, /neither PEM nor a JWK/],
  ['a file that is not there', { algorithm: 'ES256', publicKeyFile: '/nonexistent' }, /publicKeyFile: cannot be read/],
  [
    'a variable that is not set',
    { algorithm: 'HS256', secretEnvironment: 'NOT_SET' },
    /secretEnvironment: the variable NOT_SET is not set/,
  ],
])('%s is refused, and the message names the setting', (_what, key, message) => {
  expect(problemOf(key)).toMatch(message);
  expect(problemOf(key)).toMatch(/^identity\.tokens\.0\.keys\.0\./);
});

test('new keys are used and missing ones retired when all are prepared; keys that stay keep their tokens', () => {
  const issuer = (...secrets: readonly string[]) => ({
    ...SETTINGS,
    issuer: 'shop',
    keys: secrets.map((secret) => ({ algorithm: 'HS256' as const, secret })),
  });
  const [first, second, third] = ['1', '2', '3'].map((mark) => SECRET + mark) as [string, string, string];
  const withdrawn: Signer[] = [];
  const tokens = createTokens(
    { tokens: [issuer(first, second)], tokensCachedMax: 10, ...JWKS_SETTINGS },
    { clock: { nowMs: () => 0, monotonicMs: () => 0 }, environment: {}, logger: SILENT, fetchDocument: NO_FETCH },
  );
  tokens.onWithdrawn((signer) => void withdrawn.push(signer));
  expect(() => tokens.prepare([issuer('short')])).toThrow(ConfiguredKeyError);
  expect(tokens.prepare([issuer(first, second)])()).toBe(false);
  const use = tokens.prepare([issuer(second, third)]);
  expect(withdrawn).toEqual([]);
  expect(use()).toBe(true);
  expect(withdrawn).toMatchObject([{ isRetired: true }]);
  // Another audience is another agreement with the issuer: its tokens are verified again.
  expect(tokens.prepare([{ ...issuer(second, third), audience: ['hub'] }])()).toBe(true);
  expect(withdrawn).toHaveLength(3);
});

const JWKS_SETTINGS = { jwksRefreshSeconds: 1, jwksKeptSeconds: 1, jwksCooldownSeconds: 1, jwksTimeoutMs: 1 };
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const NO_FETCH = async (): Promise<Buffer> => Buffer.from('');
