import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { INGEST_PROVIDERS } from '../core/ingest-settings.ts';
import { PROVIDERS, readClaim, type HeaderReader } from './providers.ts';
import { isSigned } from './signature.ts';
import { TEST_PROVIDERS } from './testing.ts';

const SECONDS = 1_731_705_121;

function readerOf(headers: Readonly<Record<string, string>>): HeaderReader {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return (name) => lower.get(name);
}

test.each(INGEST_PROVIDERS)(
  "%s: the signature of the provider's own library is valid, and every change of one byte is not",
  async (name) => {
    const provider = PROVIDERS[name];
    const { secret, sign: signDelivery, type } = TEST_PROVIDERS[name];
    const { body, headers } = await signDelivery('evt_1', SECONDS);
    const header = readerOf(headers);
    const keys = [provider.key(secret)];
    const bytes = Buffer.from(body);
    expect(isSigned(readClaim(provider, header), keys, bytes)).toBe(true);
    expect(provider.delivery(header, JSON.parse(body))).toEqual({ id: expect.stringContaining('evt_1'), type });
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      expect(isSigned(readClaim(provider, header), keys, changed)).toBe(false);
    }
    // With another key, or with the signed head changed.
    const other = provider.key(name === 'standard' ? `whsec_${'A'.repeat(32)}` : `${secret}x`);
    expect(isSigned(readClaim(provider, header), [other], bytes)).toBe(false);
    expect(isSigned(readClaim(provider, header), [other, ...keys], bytes)).toBe(true);
  },
);

describe('published test vectors', () => {
  test('of GitHub: the page "Validating webhook deliveries"', () => {
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    const claim = readClaim(PROVIDERS.github, readerOf({ 'X-Hub-Signature-256': signature }));
    const keys = [PROVIDERS.github.key("It's a Secret to Everybody")];
    expect(isSigned(claim, keys, Buffer.from('Hello, World!'))).toBe(true);
    expect(isSigned(claim, keys, Buffer.from('Hello, World?'))).toBe(false);
  });

  test('of Standard Webhooks: the tests of its reference libraries', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const keys = [PROVIDERS.standard.key('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')];
    expect(isSigned(readClaim(PROVIDERS.standard, readerOf(headers)), keys, Buffer.from('{"test": 2432232314}'))).toBe(
      true,
    );
  });
});

test('standard: an ed25519 key verifies v1a, and no other scheme', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const keys = [PROVIDERS.standard.key(`whpk_${spki.subarray(-32).toString('base64')}`)];
  const body = Buffer.from('{}');
  const signature = sign(null, Buffer.from(`id.${SECONDS}.{}`), privateKey).toString('base64');
  const headers = { 'webhook-id': 'id', 'webhook-timestamp': String(SECONDS) };
  const claim = (text: string): ReturnType<typeof readClaim> =>
    readClaim(PROVIDERS.standard, readerOf({ ...headers, 'webhook-signature': text }));
  expect(isSigned(claim(`v1,${'A'.repeat(43)}= v1a,${signature}`), keys, body)).toBe(true);
  expect(isSigned(claim(`v1a,${signature}`), keys, Buffer.from('{ }'))).toBe(false);
  expect(isSigned(claim(`v1a,${signature.slice(4)}`), keys, body)).toBe(false);
});

test.each(INGEST_PROVIDERS)('%s: any text in its headers is a refusal or an invalid signature', (name) => {
  const provider = PROVIDERS[name];
  const keys = [provider.key(TEST_PROVIDERS[name].secret)];
  const parts = fc.constantFrom(
    't=',
    'v1=',
    'v1,',
    'v1a,',
    'sha256=',
    ',',
    ' ',
    '=',
    'ab'.repeat(32),
    'A'.repeat(43) + '=',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(parts, { maxLength: 40 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, text, (signature, time) => {
      const header = readerOf({ [provider.signatureHeader]: signature, 'webhook-timestamp': time });
      try {
        const claim = readClaim(provider, header);
        return claim.signatures.length <= 4 && !isSigned(claim, keys, Buffer.from('{}'));
      } catch (error) {
        return (error as { code?: string }).code === 'signature_missing';
      }
    }),
  );
});
