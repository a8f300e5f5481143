import { createSecretKey } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import type { TokenIssuerSettings } from '../../core/access/identity-settings.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Identifier } from '../authority.ts';
import { createTokens } from './tokens.ts';
import { credentialsWith, ecdsa, hmac, jwkOf, PAIRS, pem, rsa, SECRET, tokenOf } from './testing.ts';

const START_MS = Date.UTC(2030, 0, 1);
const NOW = START_MS / 1000;
const GOOD = { iss: 'site', aud: 'hub', sub: '42', iat: NOW, exp: NOW + 60 };

interface Trial {
  readonly identifier: Identifier;
  nowMs: number;
}

function trial(issuers: readonly Partial<TokenIssuerSettings>[], tokensCachedMax = 100): Trial {
  const made = { nowMs: START_MS };
  const defaults = { userClaim: 'sub', leewaySeconds: 5, lifetimeMaxSeconds: 3600 };
  const settings = {
    tokens: issuers.map((issuer) => ({ ...defaults, ...issuer })),
    tokensCachedMax,
    jwksRefreshSeconds: 600,
    jwksKeptSeconds: 3600,
    jwksCooldownSeconds: 30,
    jwksTimeoutMs: 1000,
  };
  const parts = {
    clock: { nowMs: () => made.nowMs, monotonicMs: () => made.nowMs },
    logger: { warn: () => undefined, info: () => undefined },
    environment: {},
    fetchDocument: () => Promise.reject(new Error('nothing is fetched here')),
  };
  const [identifier] = createTokens(settings, parts).identifiers;
  return Object.assign(made, { identifier: identifier as Identifier });
}

const SITE: Partial<TokenIssuerSettings> = { issuer: 'site', audience: ['hub'] };
const PUBLIC_KEYS = (['RS256', 'ES256', 'EdDSA'] as const).map((algorithm) => ({
  algorithm,
  kid: algorithm,
  publicKey: pem(PAIRS[algorithm].publicKey),
}));
const site = { ...SITE, keys: [...PUBLIC_KEYS, { algorithm: 'HS256' as const, kid: 'HS256', secret: SECRET }] };
const es = ecdsa(PAIRS.ES256.privateKey);

function known({ identifier }: Trial, token: string): Principal {
  return identifier.identify(credentialsWith(token)) as Principal;
}

/** The error code and the detail of a token's refusal. */
function refusal(tried: Trial, token: string): { code: string; detail: string } {
  try {
    known(tried, token);
  } catch (error) {
    if (error instanceof PolycastError) return { code: error.code, detail: error.message };
    throw error;
  }
  throw new Error('the token was taken');
}

function es256(claims: object, header: object = {}): string {
  return tokenOf({ alg: 'ES256', ...header }, claims, es);
}

describe('a valid token', () => {
  test.each(['HS256', 'RS256', 'ES256', 'EdDSA'] as const)(
    'signed with %s by another library is accepted',
    async (algorithm) => {
      const key = algorithm === 'HS256' ? createSecretKey(Buffer.from(SECRET)) : PAIRS[algorithm].privateKey;
      const token = await new SignJWT({ sub: '42', info: { name: 'Ann' }, plan: 'gold' })
        .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid: algorithm })
        .setIssuer('site')
        .setAudience(['other', 'hub'])
        .setIssuedAt(NOW)
        .setJti('t-1')
        .setExpirationTime(NOW + 60)
        .sign(key);
      expect(known(trial([site]), token)).toEqual({
        kind: 'user',
        user: '42',
        info: { name: 'Ann' },
        claims: { plan: 'gold' },
        grants: {},
        key: undefined,
        token: 't-1',
        signer: expect.objectContaining({ isRetired: false }) as object,
        issuedMs: START_MS,
        expiresMs: START_MS + 65_000,
      });
    },
  );

  test('states what its bearer may read and publish beyond the rules', () => {
    const polycast = { subscribe: ['orders.7', 'news.>'], publish: ['chat.7'] };
    expect(known(trial([site]), es256({ ...GOOD, polycast })).grants).toEqual(polycast);
  });

  test.each([
    ['sub', 42, '42'],
    ['https://site.example/user', 'ann', 'ann'],
    ['jti', 'ann', 'ann'],
  ])('names its user by the configured claim %s', (userClaim, value, user) => {
    const claims = { ...GOOD, sub: 'x', [userClaim]: value };
    expect(known(trial([{ ...site, userClaim }]), es256(claims)).user).toBe(user);
  });

  test('needs no kid, and no audience if none is configured', () => {
    const { aud: _, ...claims } = GOOD;
    expect(known(trial([{ ...site, audience: undefined }]), es256(claims)).user).toBe('42');
  });

  test('is valid within the leeway, at both ends', () => {
    expect(known(trial([site]), es256({ ...GOOD, exp: NOW - 4 })).user).toBe('42');
    expect(known(trial([site]), es256({ ...GOOD, iat: NOW + 4, nbf: NOW + 4 })).user).toBe('42');
  });

  test('is verified once, until it expires', () => {
    const tried = trial([site]);
    const token = es256(GOOD);
    const first = known(tried, token);
    expect(known(tried, token)).toBe(first);
    tried.nowMs += 65_000;
    expect(refusal(tried, token).code).toBe('token_expired');
  });

  test('is evicted from the cache when too many others arrive', () => {
    const tried = trial([site], 2);
    const first = known(tried, es256(GOOD));
    expect(known(tried, es256({ ...GOOD, sub: '43' })).user).toBe('43');
    expect(known(tried, es256({ ...GOOD, sub: '44' })).user).toBe('44');
    expect(known(tried, es256(GOOD))).not.toBe(first);
  });

  test('of several issuers is verified with the keys of its own issuer', () => {
    const other = { issuer: 'other', keys: [{ algorithm: 'HS256' as const, secret: SECRET }] };
    const tried = trial([site, other]);
    const { aud: _, ...claims } = { ...GOOD, iss: 'other' };
    expect(known(tried, tokenOf({ alg: 'HS256' }, claims, hmac(SECRET))).user).toBe('42');
    expect(refusal(tried, es256(claims)).detail).toMatch(/no key for ES256/);
  });
});

describe('credentials that are not a token are left to other authorities', () => {
  test.each([undefined, 'pck_abc_def', ''])('%j', (text) => {
    expect(trial([site]).identifier.identify(credentialsWith(text))).toBeUndefined();
  });
});

describe('a token is refused', () => {
  const rsaPem = pem(PAIRS.RS256.publicKey);
  const header = (alg: string): object => ({ alg });
  const empty = (): Buffer => Buffer.alloc(0);

  test.each<[attack: string, token: string, detail: RegExp]>([
    ['without a signature (none)', tokenOf(header('none'), GOOD, empty), /alg is not one of/],
    ['with None, NONE, nOnE', tokenOf(header('nOnE'), GOOD, empty), /alg is not one of/],
    ['with an empty signature', tokenOf(header('ES256'), GOOD, empty), /signature is not valid/],
    ['with an empty HMAC', tokenOf(header('HS256'), GOOD, empty), /signature is not valid/],
    ['with a signature of zeros', tokenOf(header('ES256'), GOOD, () => Buffer.alloc(64)), /signature is not valid/],
    ['without alg', tokenOf({}, GOOD, es), /alg is not one of/],
    ['with an alg that is a member of every object', tokenOf(header('constructor'), GOOD, es), /alg is not one of/],
    ['with alg in a list', tokenOf({ alg: ['ES256'] }, GOOD, es), /alg is not one of/],
    ['with another algorithm than its key (HS384)', tokenOf(header('HS384'), GOOD, hmac(SECRET)), /alg is not one of/],
    ['with RS256 over an EC signature', tokenOf(header('RS256'), GOOD, es), /signature is not valid/],
    [
      'with ES256 over an RSA signature',
      tokenOf(header('ES256'), GOOD, rsa(PAIRS.RS256.privateKey)),
      /signature is not valid/,
    ],
    ['with the RSA public key as the secret', tokenOf(header('HS256'), GOOD, hmac(rsaPem)), /signature is not valid/],
    [
      'with the RSA public key as the secret, trimmed',
      tokenOf(header('HS256'), GOOD, hmac(rsaPem.trim())),
      /signature is not valid/,
    ],
    [
      'with the RSA public key as the secret, in DER',
      tokenOf(header('HS256'), GOOD, hmac(PAIRS.RS256.publicKey.export({ type: 'spki', format: 'der' }))),
      /signature is not valid/,
    ],
    [
      'with a key of its own in the header',
      tokenOf({ alg: 'ES256', jwk: jwkOf(PAIRS.ES256.publicKey) }, GOOD, empty),
      /signature is not valid/,
    ],
    ['with an unknown kid', es256(GOOD, { kid: 'nobody' }), /no key for ES256 with the kid "nobody"/],
    ['with the kid of a key for another algorithm', es256(GOOD, { kid: 'RS256' }), /no key for ES256/],
    ['with a kid that is a path', es256(GOOD, { kid: '../../dev/null' }), /no key/],
    ['with a kid that is not a string', es256(GOOD, { kid: { a: 1 } }), /kid is not a string/],
    ['with crit', es256(GOOD, { crit: ['exp'] }), /crit/],
    ['that is oversized', es256({ ...GOOD, fill: 'x'.repeat(8192) }), /longer than 8192/],
    ['of an unknown issuer', es256({ ...GOOD, iss: 'mallory' }), /does not know the issuer/],
    ['without an issuer', es256({ ...GOOD, iss: undefined }), /does not know the issuer/],
    ['for another audience', es256({ ...GOOD, aud: 'shop' }), /not for this hub/],
    ['without an audience', es256({ ...GOOD, aud: undefined }), /not for this hub/],
    ['for an audience in an object', es256({ ...GOOD, aud: { hub: 'hub' } }), /not for this hub/],
    ['that is not valid yet', es256({ ...GOOD, nbf: NOW + 6 }), /not valid before 2030-01-01T00:00:06/],
    ['that was given out in the future', es256({ ...GOOD, iat: NOW + 6 }), /in the future/],
    ['without exp', es256({ ...GOOD, exp: undefined }), /no exp/],
    ['whose exp is a string', es256({ ...GOOD, exp: String(NOW + 60) }), /exp is not a time/],
    ['whose exp is in milliseconds', es256({ ...GOOD, exp: START_MS + 60_000 }), /longer than 3600 s/],
    ['whose exp is beyond every date', es256({ ...GOOD, exp: 1e300 }), /exp is not a time/],
    ['that lives too long', es256({ ...GOOD, exp: NOW + 3606 }), /longer than 3600 s/],
    ['without a user', es256({ ...GOOD, sub: undefined }), /names no user/],
    ['whose user is too long', es256({ ...GOOD, sub: 'x'.repeat(129) }), /names no user/],
    ['whose user has a line break', es256({ ...GOOD, sub: 'a\nb' }), /names no user/],
    ['whose user is a list', es256({ ...GOOD, sub: ['42'] }), /names no user/],
    ['whose jti is empty', es256({ ...GOOD, jti: '' }), /jti/],
    [
      'with a grant that is not a pattern',
      es256({ ...GOOD, polycast: { subscribe: ['a..b'] } }),
      /polycast\.subscribe/,
    ],
    [
      'with grants without end',
      es256({ ...GOOD, polycast: { publish: Array.from({ length: 101 }, () => 'a') } }),
      /polycast\.publish/,
    ],
    [
      'that makes itself an administrator',
      es256({ ...GOOD, polycast: { admin: ['>'] } }),
      /polycast has "admin"\. .*"console".*Example: \{"subscribe"/,
    ],
    [
      'with duplicate claims',
      tokenOf({ alg: 'ES256' }, JSON.stringify(GOOD).replace('{', '{"sub":"1",'), es),
      /with unique members/,
    ],
    [
      'with duplicate claims, one escaped',
      tokenOf({ alg: 'ES256' }, JSON.stringify(GOOD).replace('{', '{"s\\u0075b":"1",'), es),
      /unique members/,
    ],
    [
      'with duplicate members inside a claim',
      tokenOf({ alg: 'ES256' }, JSON.stringify(GOOD).replace('{', '{"a":{"b":1,"b":2},'), es),
      /unique members/,
    ],
    [
      'with duplicate members in its header',
      tokenOf('{"alg":"none","alg":"ES256"}', GOOD, es),
      /header .* unique members/,
    ],
    ['whose claims are a list', tokenOf({ alg: 'ES256' }, '[1]', es), /claims are not a JSON object/],
    [
      'with endlessly nested claims',
      tokenOf({ alg: 'ES256' }, `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`, es),
      /claims are not/,
    ],
    ['whose claims are not UTF-8', `${tokenOf({ alg: 'ES256' }, '', es).split('.')[0]}._w.AA`, /claims are not/],
    ['of two parts', 'a.b', /three parts/],
    ['of five parts, as encrypted ones have', 'a.b.c.d.e', /three parts/],
    ['in base64 of the other alphabet', 'a+b/.c.d', /three parts/],
    ['with white space', `${es256(GOOD)} `, /three parts/],
    ['with a line break at its end', `${es256(GOOD)}\n`, /three parts/],
  ])('%s', (_attack, token, detail) => {
    expect(refusal(trial([site]), token)).toEqual({
      code: 'unauthorized',
      detail: expect.stringMatching(detail) as string,
    });
  });

  test('after its expiry, with token_expired only if it was valid', () => {
    const expired = { ...GOOD, exp: NOW - 5 };
    expect(refusal(trial([site]), es256(expired)).code).toBe('token_expired');
    expect(
      refusal(
        trial([site]),
        tokenOf({ alg: 'ES256' }, expired, () => Buffer.alloc(64)),
      ).code,
    ).toBe('unauthorized');
  });

  test('with any byte changed', () => {
    const tried = trial([site]);
    const token = es256(GOOD);
    for (let at = 0; at < token.length; at += 7) {
      const other = token[at] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, at) + other + token.slice(at + 1);
      // The last character of a part may contain bits without effect.
      if (Buffer.from(changed, 'base64url').equals(Buffer.from(token, 'base64url'))) continue;
      expect(refusal(tried, changed).code).toBe('unauthorized');
    }
  });

  test('without a kid when its issuer has too many keys to try', () => {
    const keys = Array.from({ length: 5 }, () => ({
      algorithm: 'ES256' as const,
      publicKey: pem(PAIRS.ES256.publicKey),
    }));
    expect(refusal(trial([{ ...SITE, keys }]), es256(GOOD)).detail).toMatch(/too many keys/i);
  });

  test('with an audience where none is configured', () => {
    expect(refusal(trial([{ ...site, audience: undefined }]), es256(GOOD)).detail).toMatch(/not for this hub/);
  });
});
