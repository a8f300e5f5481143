import { createECDH, generateKeyPairSync } from 'node:crypto';
import type { PolycastError } from '@polycast/protocol';
import { createLocalJWKSet, exportJWK, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { JwksSource, type FetchDocument } from './jwks-source.ts';
import { JWKS_KEYS_MAX, keysInSet } from './jwks.ts';
import type { VerificationKey } from './verification-keys.ts';
import { ecdsa, jwkOf, PAIRS, tokenOf } from './testing.ts';

const ALL = ['RS256', 'ES256', 'EdDSA'] as const;
const ES = PAIRS.ES256.publicKey;

function bytes(document: unknown): Buffer {
  return Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
}

describe('a JWK Set', () => {
  test('yields the same keys as another library', async () => {
    const keys = await Promise.all(
      ALL.map(async (name) => ({ ...(await exportJWK(PAIRS[name].publicKey)), kid: name })),
    );
    expect(keysInSet(bytes({ keys }), ALL).map(({ algorithm, kid }) => [algorithm, kid])).toEqual(
      ALL.map((name) => [name, name]),
    );
  });

  test('works with another library: it accepts the same token', async () => {
    const set = { keys: [jwkOf(ES, 'a')] };
    const claims = { sub: '42', exp: 4e9 };
    const token = tokenOf({ alg: 'ES256', kid: 'a' }, claims, ecdsa(PAIRS.ES256.privateKey));
    expect((await jwtVerify(token, createLocalJWKSet(set as never))).payload).toEqual(claims);
  });

  const { d: _, ...rsaPublic } = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({
    format: 'jwk',
  });
  const oddPoint = createECDH('prime256v1').generateKeys('base64url');
  const one = { kty: 'RSA', n: jwkOf(PAIRS.RS256.publicKey)['n'] };
  test.each<[what: string, jwk: unknown]>([
    ['symmetric', { kty: 'oct', k: 'x'.repeat(100), alg: 'HS256' }],
    ['symmetric, under another name', { kty: 'oct', k: 'x'.repeat(100), alg: 'ES256', crv: 'P-256' }],
    ['private', jwkOf(PAIRS.ES256.privateKey)],
    ['for encryption', { ...jwkOf(ES), use: 'enc' }],
    ['for another algorithm', { ...jwkOf(ES), alg: 'ES384' }],
    ['for HMAC, of RSA', { ...jwkOf(PAIRS.RS256.publicKey), alg: 'HS256' }],
    ['of RSA and too short', { kty: 'RSA', n: rsaPublic['n'], e: 'AQAB' }],
    ['of RSA and one bit long', { kty: 'RSA', n: 'AQ', e: 'AQAB' }],
    ['of RSA and far too long', { kty: 'RSA', n: Buffer.alloc(4096, 0xff).toString('base64url'), e: 'AQAB' }],
    ['of RSA with the exponent 1', { ...one, e: 'AQ' }],
    ['of RSA with an even exponent', { ...one, e: 'Ag' }],
    ['of RSA with an enormous exponent', { ...one, e: Buffer.alloc(256, 0xff).toString('base64url') }],
    ['of RSA without numbers', { kty: 'RSA' }],
    ['of another curve', jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)],
    ['a point that is not on the curve', { kty: 'EC', crv: 'P-256', x: 'AQ', y: oddPoint }],
    ['the point at infinity', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }],
    ['of the other Edwards curve', jwkOf(generateKeyPairSync('ed448').publicKey)],
    ['of a kind that is not known', { kty: 'MAGIC' }],
    ['no object', 'key'],
    ['null', null],
    ['with a kid that is not a string', { ...jwkOf(ES), kid: 7 }],
  ])('ignores a key that is %s', (_what, jwk) => {
    expect(keysInSet(bytes({ keys: [jwk, jwkOf(ES, 'good')] }), ALL).map(({ kid }) => kid)).toEqual(['good']);
  });

  test('yields only keys of the configured algorithms', () => {
    const keys = ALL.map((name) => jwkOf(PAIRS[name].publicKey, name));
    expect(keysInSet(bytes({ keys }), ['EdDSA']).map(({ kid }) => kid)).toEqual(['EdDSA']);
  });

  test.each<[what: string, document: unknown]>([
    ['no JSON', '<html>'],
    ['a list', []],
    ['nothing', ''],
    ['without keys', {}],
    ['keys that are no list', { keys: {} }],
    ['keys given twice', '{"keys":[],"keys":[]}'],
    ['too many keys', { keys: Array.from({ length: JWKS_KEYS_MAX + 1 }, () => ({})) }],
    ['nesting without end', `{"keys":${'['.repeat(30_000)}`],
  ])('is refused: %s', (_what, document) => {
    expect(() => keysInSet(bytes(document), ALL)).toThrow(/^it /);
  });
});

interface Rig {
  readonly source: JwksSource;
  readonly fetches: () => number;
  readonly withdrawn: VerificationKey[];
  nowMs: number;
  /** The answer to the next fetches. */
  answer: () => Promise<unknown>;
}

const SETTINGS = { refreshMs: 600_000, keptMs: 86_400_000, cooldownMs: 30_000, timeoutMs: 5000 };

function rig(): Rig {
  let fetches = 0;
  const withdrawn: VerificationKey[] = [];
  const made = { nowMs: 0, answer: async (): Promise<unknown> => ({ keys: [jwkOf(ES, 'a')] }) };
  const fetchDocument: FetchDocument = async () => {
    fetches++;
    return bytes(await made.answer());
  };
  const source = new JwksSource({
    ...SETTINGS,
    url: 'https://idp.example/jwks',
    algorithms: ALL,
    fetchDocument,
    clock: { monotonicMs: () => made.nowMs },
    onKeyWithdrawn: (key) => withdrawn.push(key),
    logger: { warn: () => undefined, info: () => undefined },
  });
  return Object.assign(made, { source, withdrawn, fetches: () => fetches });
}

async function find({ source }: Rig, kid: string): Promise<readonly VerificationKey[]> {
  return source.find('ES256', kid);
}

function unavailable(): object {
  return expect.objectContaining({ code: 'identity_unavailable' }) as object;
}

/** Waits for the fetches in the background. */
async function settled(made: Rig, fetches: number): Promise<void> {
  await expect.poll(() => made.fetches()).toBe(fetches);
  await new Promise(setImmediate);
}

describe('fetched keys', () => {
  test('are fetched once for all who wait, and are then available without a wait', async () => {
    const made = rig();
    const found = await Promise.all(Array.from({ length: 100 }, () => find(made, 'a')));
    expect(new Set(found.map(([key]) => key)).size).toBe(1);
    expect(made.fetches()).toBe(1);
    expect(made.source.find('ES256', 'a')).not.toBeInstanceOf(Promise);
  });

  test('are fetched again in the background, and unchanged keys stay the same objects', async () => {
    const made = rig();
    const [before] = await find(made, 'a');
    made.nowMs += SETTINGS.refreshMs;
    made.answer = async () => ({ keys: [jwkOf(ES, 'a'), jwkOf(ES, 'b')] });
    made.source.refresh();
    expect(made.source.find('ES256', 'a')).toEqual([before]);
    await settled(made, 2);
    expect((await find(made, 'a'))[0]).toBe(before);
    expect(await find(made, 'b')).toHaveLength(1);
    expect(made.fetches()).toBe(2);
    expect(made.withdrawn).toEqual([]);
  });

  test('and that disappear are invalid, and so are the tokens that they verified', async () => {
    const made = rig();
    const [key] = (await find(made, 'a')) as [VerificationKey];
    expect(made.source.trusts(key)).toBe(true);
    made.answer = async () => ({ keys: [jwkOf(PAIRS.EdDSA.publicKey, 'b')] });
    made.nowMs += SETTINGS.refreshMs;
    made.source.refresh();
    await settled(made, 2);
    expect(made.source.trusts(key)).toBe(false);
    expect(await find(made, 'a')).toEqual([]);
    expect(made.withdrawn).toEqual([key]);
    expect(key.isRetired).toBe(true);
  });

  test('are fetched for an unknown kid, at a bounded rate however many are invented', async () => {
    const made = rig();
    await find(made, 'a');
    for (let number = 0; number < 100; number++) expect(await find(made, `made up ${number}`)).toEqual([]);
    expect(made.fetches()).toBe(1);
    made.nowMs += SETTINGS.cooldownMs;
    made.answer = async () => ({ keys: [jwkOf(ES, 'a'), jwkOf(ES, 'new')] });
    const asked = Array.from({ length: 100 }, (_, number) => find(made, number === 50 ? 'new' : `made up ${number}`));
    expect((await Promise.all(asked)).filter((found) => found.length > 0)).toHaveLength(1);
    expect(made.fetches()).toBe(2);
  });

  test('stay in use while fetches fail, for the configured time', async () => {
    const made = rig();
    const [key] = (await find(made, 'a')) as [VerificationKey];
    made.answer = () => Promise.reject(new Error('down'));
    made.nowMs = SETTINGS.refreshMs;
    for (let asked = 0; asked < 10; asked++) {
      made.source.refresh();
      expect(await find(made, 'a')).toHaveLength(1);
    }
    await settled(made, 2);
    // An unknown key may be a new one.
    await expect(find(made, 'new')).rejects.toEqual(unavailable());
    made.nowMs = SETTINGS.keptMs - 1;
    expect(await find(made, 'a')).toHaveLength(1);
    expect(made.source.trusts(key)).toBe(true);
    made.nowMs = SETTINGS.keptMs;
    await expect(find(made, 'a')).rejects.toEqual(unavailable());
    expect(made.source.trusts(key)).toBe(false);
  });

  test('that could never be fetched are requested at the configured rate, and used when available', async () => {
    const made = rig();
    made.answer = () => Promise.reject(new Error('down'));
    for (let asked = 0; asked < 10; asked++) await expect(find(made, 'a')).rejects.toEqual(unavailable());
    expect(made.fetches()).toBe(1);
    made.nowMs = 10_000;
    const refused = await find(made, 'a').catch((error: unknown) => error as PolycastError);
    expect(refused).toMatchObject({ extensions: { retryAfterMs: 20_000 } });
    made.nowMs = 30_000;
    made.answer = async () => ({ keys: [jwkOf(ES, 'a')] });
    expect(await find(made, 'a')).toHaveLength(1);
  });

  test.each<[what: string, document: unknown]>([
    ['no JSON', '<html>Welcome</html>'],
    ['too many keys', { keys: Array.from({ length: 101 }, () => jwkOf(ES, 'a')) }],
  ])('are kept when the issuer answers with %s', async (_what, document) => {
    const made = rig();
    await find(made, 'a');
    made.answer = async () => document;
    made.nowMs += SETTINGS.refreshMs;
    made.source.refresh();
    await settled(made, 2);
    expect(await find(made, 'a')).toHaveLength(1);
  });

  test("are empty when the issuer's set is empty", async () => {
    const made = rig();
    await find(made, 'a');
    made.answer = async () => ({ keys: [] });
    made.nowMs += SETTINGS.refreshMs;
    made.source.refresh();
    await settled(made, 2);
    expect(await find(made, 'a')).toEqual([]);
  });
});
