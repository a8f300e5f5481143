import { describe, expect, test } from 'vitest';
import { createTokens } from './tokens.ts';
import { jwkOf, PAIRS } from './testing.ts';

const ISSUER = 'https://login.example/realms/shop';
const DESCRIPTION = `${ISSUER}/.well-known/openid-configuration`;
const KEYS = 'https://keys.example/certs';
const GOOD = { issuer: ISSUER, jwks_uri: KEYS };

/** Tokens of one issuer, and a web of test documents. */
function rig(issuer = ISSUER, description: unknown = GOOD) {
  const documents = new Map<string, unknown>([
    [DESCRIPTION, description],
    [KEYS, { keys: [jwkOf(PAIRS.ES256.publicKey, 'a')] }],
  ]);
  const asked: { readonly url: string; readonly timeoutMs: number; readonly bytesMax: number }[] = [];
  const warned: unknown[] = [];
  const clock = { ms: 0 };
  const tokens = createTokens(
    {
      tokens: [{ issuer, userClaim: 'sub', leewaySeconds: 5, lifetimeMaxSeconds: 3600 }],
      tokensCachedMax: 10,
      jwksRefreshSeconds: 600,
      jwksKeptSeconds: 86_400,
      jwksCooldownSeconds: 30,
      jwksTimeoutMs: 5000,
    },
    {
      clock: { nowMs: () => clock.ms, monotonicMs: () => clock.ms },
      environment: {},
      logger: { warn: (fields) => warned.push(fields), info: () => undefined },
      fetchDocument: async (url, bounds) => {
        asked.push({ url, ...bounds });
        if (!documents.has(url)) throw new Error('it was answered 404');
        const document = documents.get(url);
        return Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
      },
    },
  );
  const outcome = async (fetched: number, failed: number): Promise<void> => {
    await expect.poll(() => tokens.issuers[0]).toMatchObject({ issuer, fetched, failed });
  };
  return { tokens, documents, asked, warned, clock, outcome, urls: () => asked.map(({ url }) => url) };
}

describe('an issuer that is configured by its URL alone', () => {
  test('is asked for the address of its keys once a day, and for the keys as often as any other', async () => {
    const { tokens, asked, clock, outcome, urls } = rig();
    await outcome(1, 0);
    expect(asked).toEqual([
      { url: DESCRIPTION, timeoutMs: 5000, bytesMax: 65_536 },
      { url: KEYS, timeoutMs: 5000, bytesMax: 65_536 },
    ]);
    clock.ms += 600_000;
    tokens.maintain();
    await outcome(2, 0);
    expect(urls()).toEqual([DESCRIPTION, KEYS, KEYS]);
    clock.ms += 86_400_000;
    tokens.maintain();
    await outcome(3, 0);
    expect(urls().slice(3)).toEqual([DESCRIPTION, KEYS]);
  });

  test("may end with a slash, which is part of the issuer's name and not of the address", async () => {
    const named = rig(`${ISSUER}/`, { ...GOOD, issuer: `${ISSUER}/` });
    await named.outcome(1, 0);
    expect(named.urls()).toEqual([DESCRIPTION, KEYS]);
    await rig(`${ISSUER}/`, GOOD).outcome(0, 1);
  });

  test('is asked again for the address of its keys when they have moved', async () => {
    const { tokens, documents, clock, outcome } = rig();
    await outcome(1, 0);
    documents.set('https://keys.example/new', documents.get(KEYS));
    documents.delete(KEYS);
    documents.set(DESCRIPTION, { ...GOOD, jwks_uri: 'https://keys.example/new' });
    clock.ms += 600_000;
    tokens.maintain();
    await outcome(1, 1);
    clock.ms += 600_000;
    tokens.maintain();
    await outcome(2, 1);
  });

  test.each<[what: string, description: unknown]>([
    ['names another issuer', { ...GOOD, issuer: 'https://login.example/realms/other' }],
    ['names an issuer that looks the same', { ...GOOD, issuer: `${ISSUER}/` }],
    ['names no issuer', { jwks_uri: KEYS }],
    ['has no keys', { issuer: ISSUER }],
    ['has keys by plain http', { ...GOOD, jwks_uri: 'http://keys.example/certs' }],
    ['has keys behind a password', { ...GOOD, jwks_uri: 'https://me:secret@keys.example/certs' }],
    ['has keys in a file', { ...GOOD, jwks_uri: 'file:///etc/passwd' }],
    ['is not JSON', '<html>'],
    ['is null', null],
  ])('is refused when its description %s', async (_what, description) => {
    const made = rig(ISSUER, description);
    await made.outcome(0, 1);
    expect(made.urls()).toEqual([DESCRIPTION]);
    expect(made.warned).toHaveLength(1);
  });
});
