import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { createVerifier, WebhookError, type VerifierOptions } from '../webhooks.ts';

/** The vectors of the Standard Webhooks specification. */
const VECTOR = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: '1614265330',
  body: '{"test": 2432232314}',
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  publicKey: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
  ed25519: 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
};
const SENT_MS = 1_614_265_330_000;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

function headers(signature: string = VECTOR.signature): Record<string, string> {
  return { 'webhook-id': VECTOR.id, 'webhook-timestamp': VECTOR.timestamp, 'webhook-signature': signature };
}

function at(nowMs: number, secrets: VerifierOptions['secrets'] = VECTOR.secret): VerifierOptions {
  return { secrets, now: () => nowMs };
}

async function refusal(promise: Promise<unknown>): Promise<unknown> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof WebhookError ? error.code : error;
}

describe('the vectors of Standard Webhooks', () => {
  test.each([
    ['HMAC', VECTOR.secret, VECTOR.signature],
    ['HMAC, of a secret without its prefix', VECTOR.secret.slice(6), VECTOR.signature],
    ['Ed25519', VECTOR.publicKey, VECTOR.ed25519],
    ['either of both schemes', VECTOR.publicKey, `${VECTOR.signature} ${VECTOR.ed25519}`],
    ['several headers that were joined', VECTOR.secret, `${VECTOR.ed25519}, ${VECTOR.signature}`],
  ])('%s', async (_what, secret, signature) => {
    const verify = createVerifier(at(SENT_MS, secret));
    const verified = { id: VECTOR.id, timestamp: new Date(SENT_MS), secretIndex: 0 };
    expect(await verify(VECTOR.body, headers(signature))).toEqual(verified);
    expect(await verify(Buffer.from(VECTOR.body), new Headers(headers(signature)))).toEqual(verified);
  });

  test('for every kind of header object that frameworks use', async () => {
    const capitals = Object.entries(headers()).map(([name, value]) => [name.toUpperCase(), [value]]);
    expect((await createVerifier(at(SENT_MS))(VECTOR.body, Object.fromEntries(capitals))).id).toBe(VECTOR.id);
  });
});

test('signatures of another library are valid, and a change of any bit makes them invalid', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 24, maxLength: 64 }),
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.nat(),
      async (bytes, text, flipped) => {
        const secret = `whsec_${Buffer.from(bytes).toString('base64')}`;
        const body = Buffer.from(text);
        const signature = new Webhook(secret).sign(VECTOR.id, new Date(SENT_MS), body);
        const verify = createVerifier(at(SENT_MS, secret));
        expect((await verify(body, headers(signature))).id).toBe(VECTOR.id);
        const changed = Buffer.from(body);
        const index = (flipped >> 3) % body.length;
        changed[index] = (body[index] as number) ^ (1 << (flipped & 7));
        expect(await refusal(verify(changed, headers(signature)))).toBe('wrong_signature');
      },
    ),
    { numRuns: 50 },
  );
});

test('during a rotation either key is sufficient, and the result names it', async () => {
  const both = createVerifier(at(SENT_MS, [OTHER_SECRET, VECTOR.secret]));
  expect((await both(VECTOR.body, headers())).secretIndex).toBe(1);
  // The hub signs with both.
  const other = new Webhook(OTHER_SECRET).sign(VECTOR.id, new Date(SENT_MS), VECTOR.body);
  expect((await both(VECTOR.body, headers(`${other} ${VECTOR.signature}`))).secretIndex).toBe(0);
  expect((await createVerifier(at(SENT_MS))(VECTOR.body, headers(`${other} ${VECTOR.signature}`))).secretIndex).toBe(0);
});

test('a signature of Ed25519 by another implementation', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const signed = sign(null, Buffer.from(`${VECTOR.id}.${VECTOR.timestamp}.${VECTOR.body}`), privateKey);
  const verify = createVerifier(at(SENT_MS, `whpk_${raw.toString('base64')}`));
  expect((await verify(VECTOR.body, headers(`v1a,${signed.toString('base64')}`))).id).toBe(VECTOR.id);
  expect(await refusal(verify(`${VECTOR.body} `, headers(`v1a,${signed.toString('base64')}`)))).toBe('wrong_signature');
  expect(await refusal(verify(VECTOR.body, headers()))).toBe('no_signature');
});

test('timestamps up to five minutes in either direction are accepted, or up to the configured time', async () => {
  const check = async (seconds: number, toleranceSeconds?: number): Promise<unknown> =>
    refusal(
      createVerifier({ ...at(SENT_MS + seconds * 1000), ...(toleranceSeconds !== undefined && { toleranceSeconds }) })(
        VECTOR.body,
        headers(),
      ),
    );
  expect([await check(300), await check(301), await check(-300), await check(-301)]).toEqual([
    undefined,
    'too_old',
    undefined,
    'too_new',
  ]);
  expect([await check(20, 10), await check(20, 30)]).toEqual(['too_old', undefined]);
});

test.each<[what: string, changes: Record<string, string | undefined>, code: string]>([
  ['without an id', { 'webhook-id': undefined }, 'missing_header'],
  ['without a signature', { 'webhook-signature': '' }, 'missing_header'],
  ['with a date for a timestamp', { 'webhook-timestamp': '2021-02-25T15:02:10Z' }, 'invalid_header'],
  ['with a negative timestamp', { 'webhook-timestamp': '-1614265330' }, 'invalid_header'],
  ['with a zero before the timestamp', { 'webhook-timestamp': '01614265330' }, 'wrong_signature'],
  ['with another id', { 'webhook-id': 'msg_other' }, 'wrong_signature'],
  ['with another time', { 'webhook-timestamp': '1614265331' }, 'wrong_signature'],
  ['with half a signature', { 'webhook-signature': VECTOR.signature.slice(0, 20) }, 'wrong_signature'],
  ['with a signature that is not base64', { 'webhook-signature': 'v1,###' }, 'wrong_signature'],
  ['with an empty signature', { 'webhook-signature': 'v1,' }, 'wrong_signature'],
  ['with a scheme that is not known', { 'webhook-signature': 'v2,AAAA' }, 'no_signature'],
])('a request %s is refused', async (_what, changes, code) => {
  expect(await refusal(createVerifier(at(SENT_MS))(VECTOR.body, { ...headers(), ...changes }))).toBe(code);
});

test('only a bounded number of signatures is checked', async () => {
  const many = Array.from({ length: 16 }, () => `v1,${randomBytes(32).toString('base64')}`);
  expect(await refusal(createVerifier(at(SENT_MS))(VECTOR.body, headers([...many, VECTOR.signature].join(' '))))).toBe(
    'wrong_signature',
  );
});

test.each([
  ['no secret at all', []],
  ['an empty one', ''],
  ['one of another alphabet', 'whsec_a-b'],
  ['a private key', 'whsk_AAAA'],
  ['half a public key', 'whpk_AAAA'],
])("%s is an error of the receiver's configuration, and is thrown before the first request", (_what, secrets) => {
  expect(() => createVerifier({ secrets })).toThrow(TypeError);
});
