import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReceiver } from './websocket-receiver.ts';

const MIB = 1024 * 1024;
const TEXT = 1;
const PING = 9;

// The smallest and largest sizes of cases 9.3.1 to 9.4.9 of the Autobahn test suite, and two
// between.
test.each([64, 1024, 65_536, 4 * MIB])(
  'a message of 4 MiB in fragments of %s bytes is one message (Autobahn 9.3, 9.4)',
  (bytes) => {
    const message = Buffer.alloc(4 * MIB, 'abcdefghij');
    for (const opcode of [TEXT, 2]) {
      const { messages, errors, feed } = receiver(4 * MIB);
      for (let at = 0; at < message.length; at += bytes)
        feed(frame(at === 0 ? opcode : 0, message.subarray(at, at + bytes), at + bytes >= message.length));
      expect(errors).toEqual([]);
      expect(messages).toHaveLength(1);
      expect(messages[0]?.equals(message)).toBe(true);
    }
  },
);

test('one byte beyond the limit is refused, in any number of fragments', async () => {
  const { messages, errors, feed } = receiver(3000);
  for (let n = 0; n <= 3000; n++) feed(frame(n === 0 ? TEXT : 0, Buffer.from('a'), false));
  await expect.poll(() => errors).toEqual(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH']);
  expect(messages).toEqual([]);
});

test('small pieces take little more memory than their bytes', () => {
  const held = receiver(MIB);
  for (let n = 0; n < 100_000; n++) held.feed(frame(n === 0 ? TEXT : 0, Buffer.from('a'), false));
  expect(held.parts()).toBeLessThan(1000);
  const slow = receiver(MIB);
  slow.feed(Buffer.from('81ff00000000000fffff00000000', 'hex'));
  for (let n = 0; n < 100_000; n++) slow.feed(Buffer.from('a'));
  expect(slow.parts()).toBeLessThan(1000);
});

test('messages in any fragments and packets arrive unchanged', () => {
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 40 }));
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 5 }), sizes, sizes, (sent, cuts, packets) => {
      const { messages, errors, feed } = receiver(MIB);
      const frames: Buffer[] = [];
      for (const message of sent.map((bytes) => Buffer.from(bytes))) {
        let at = 0;
        do {
          const size = cuts.next().value;
          frames.push(frame(at === 0 ? 2 : 0, message.subarray(at, at + size), at + size >= message.length));
          if (size % 7 === 0) frames.push(frame(PING, Buffer.from('still there'), true));
          at += size;
        } while (at < message.length);
      }
      const bytes = Buffer.concat(frames);
      for (let at = 0; at < bytes.length;) {
        const size = packets.next().value;
        feed(bytes.subarray(at, at + size));
        at += size;
      }
      expect(errors).toEqual([]);
      expect(messages.map((message) => message.toString('hex'))).toEqual(
        sent.map((message) => Buffer.from(message).toString('hex')),
      );
    }),
    { numRuns: 60 },
  );
});

function receiver(messageBytesMax: number) {
  const messages: Buffer[] = [];
  const errors: (string | undefined)[] = [];
  const parser = createReceiver(messageBytesMax);
  parser.on('message', (data) => messages.push(data));
  parser.on('error', ({ code }) => errors.push(code));
  const { _buffers, _fragments } = parser as unknown as Record<'_buffers' | '_fragments', Buffer[]>;
  return {
    messages,
    errors,
    feed: (bytes: Buffer) => void parser.write(Buffer.from(bytes)),
    parts: () => _buffers.length + _fragments.length,
  };
}

/** A masked frame, as clients send it. */
function frame(opcode: number, payload: Buffer, final: boolean): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = (final ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 8) head.writeUInt16BE(length, 2);
  if (head.length === 14) head.writeBigUInt64BE(BigInt(length), 2);
  const bytes = Buffer.concat([head, payload]);
  bytes.writeUInt32BE(0x01010101, head.length - 4);
  for (let at = head.length; at < bytes.length; at++) bytes[at] = (bytes[at] as number) ^ 1;
  return bytes;
}
