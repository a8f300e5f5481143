import fc from 'fast-check';
import { createHmac } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { HmacKey } from './hmac.ts';

const reference = (secret: Uint8Array, head: string, body: Uint8Array): string =>
  createHmac('sha256', secret).update(head).update(body).digest('base64');

test('any key of up to 64 bytes and any message give the HMAC of the platform, in any order of use', () => {
  const secrets = fc.uint8Array({ maxLength: 64 });
  const message = fc.record({ head: fc.string({ unit: 'binary' }), body: fc.uint8Array({ maxLength: 300 }) });
  fc.assert(
    fc.property(secrets, secrets, fc.array(message, { maxLength: 5 }), (first, second, messages) => {
      const keys = [first, second].map((secret) => ({ secret, key: new HmacKey(Buffer.from(secret)) }));
      for (const { head, body } of messages)
        for (const { secret, key } of keys) expect(key.sign(head, body)).toBe(reference(secret, head, body));
    }),
  );
});

test.each([0, 55, 56, 63, 64, 65, 16 * 1024 - 3, 16 * 1024 - 2, 16 * 1024, 1024 * 1024])(
  'a body of %i bytes is signed in full',
  (length) => {
    const secret = Buffer.alloc(64, 'k');
    const body = Buffer.alloc(length, 'é');
    expect(new HmacKey(secret).sign('a', body)).toBe(reference(secret, 'a', body));
  },
);

test('a key holds no memory that it shares with other buffers', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heldBytes = (): number => {
    // The second collection waits for the memory that the first one freed.
    collect();
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const before = heldBytes();
  const keys = Array.from({ length: 200 }, (_, index) => {
    // Other requests take memory of the same pool between two keys.
    Buffer.allocUnsafe(30_000);
    return new HmacKey(Buffer.from(`secret ${index} of 24 bytes`.padEnd(24, '.')));
  });
  expect(heldBytes() - before).toBeLessThan(1024 * 1024);
  expect(keys).toHaveLength(200);
});

test('a key that would need a digest of its own is refused', () => {
  expect(() => new HmacKey(Buffer.alloc(65))).toThrow(RangeError);
});
