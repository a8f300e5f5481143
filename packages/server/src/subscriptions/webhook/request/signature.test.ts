import fc from 'fast-check';
import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { signatures } from './signature.ts';

/** The test vectors of the specification. */
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
const SECONDS = 1_614_265_330;
const BODY = Buffer.from('{"test": 2432232314}');
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const HMAC = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const PUBLIC_KEY = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=';
const ED25519 = 'hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==';

function lasting(...texts: string[]): { text: string; endsMs: undefined }[] {
  return texts.map((text) => ({ text, endsMs: undefined }));
}

function ownKey(form: 'seed' | 'both'): { readonly secret: string; readonly publicKey: string } {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const bytes = Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(form === 'both' ? x : '', 'base64url')]);
  return {
    secret: `whsk_${bytes.toString('base64')}`,
    publicKey: `whpk_${Buffer.from(x, 'base64url').toString('base64')}`,
  };
}

function holds(publicKey: string, signature: string, message: Buffer): boolean {
  const x = Buffer.from(publicKey.slice('whpk_'.length), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return verify(null, message, key, Buffer.from(signature, 'base64'));
}

describe('a signature', () => {
  test('by HMAC equals that of the test vector', () => {
    expect(signatures({ id: ID, seconds: SECONDS, body: BODY }, lasting(SECRET), 0)).toBe(HMAC);
  });

  test('by ed25519 covers the same bytes as that of the test vector', () => {
    const message = Buffer.concat([Buffer.from(`${ID}.${SECONDS}.`), BODY]);
    expect(holds(PUBLIC_KEY, ED25519, message)).toBe(true);
    for (const form of ['seed', 'both'] as const) {
      const { secret, publicKey } = ownKey(form);
      const signed = signatures({ id: ID, seconds: SECONDS, body: BODY }, lasting(secret), 0);
      const [, scheme, signature = ''] = /^(v1a),(.*)$/.exec(signed) ?? [];
      expect(scheme).toBe('v1a');
      expect(holds(publicKey, signature, message)).toBe(true);
      expect(holds(publicKey, signature, Buffer.concat([message, BODY]))).toBe(false);
    }
  });

  test('by HMAC of any content is accepted by the package standardwebhooks', () => {
    const seconds = Math.floor(Date.now() / 1000);
    const id = fc.stringMatching(/^[0-9a-z]{10}-[0-9a-z]{11}$/);
    fc.assert(
      fc.property(id, fc.string(), fc.uint8Array({ minLength: 24, maxLength: 64 }), (id, text, key) => {
        const secret = `whsec_${Buffer.from(key).toString('base64')}`;
        const signature = signatures({ id, seconds, body: Buffer.from(text) }, lasting(secret), 0);
        const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
        new Webhook(secret).verify(text, headers, { jsonParse: false });
      }),
    );
  });

  test('is made with each secret until its end, in their order', () => {
    const old = `whsec_${randomBytes(24).toString('base64')}`;
    const secrets = [
      { text: SECRET, endsMs: undefined },
      { text: old, endsMs: 1000 },
      { text: ownKey('seed').secret, endsMs: undefined },
    ];
    const at = (nowMs: number): string[] =>
      signatures({ id: ID, seconds: SECONDS, body: BODY }, secrets, nowMs).split(' ');
    const [first, second, third] = at(999);
    expect(first).toBe(HMAC);
    expect(second).toBe(signatures({ id: ID, seconds: SECONDS, body: BODY }, lasting(old), 0));
    expect(third).toMatch(/^v1a,/);
    expect(at(1000)).toEqual([first, third]);
  });

  test.each([
    '',
    'whsec_',
    'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    `whsec_${Buffer.alloc(23).toString('base64')}`,
    `whsec_${Buffer.alloc(65).toString('base64')}`,
    'whsec_not base64 at all, by any means',
    `whsk_${Buffer.alloc(31).toString('base64')}`,
    `whpk_${Buffer.alloc(32).toString('base64')}`,
  ])('is refused with "%s"', (secret) => {
    expect(() => signatures({ id: ID, seconds: SECONDS, body: BODY }, lasting(secret), 0)).toThrow(TypeError);
  });
});
