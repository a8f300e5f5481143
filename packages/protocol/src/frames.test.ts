import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCursor } from './cursor.ts';
import {
  jsonFraming,
  asciiChunk,
  LAST_CHUNK,
  inChunks,
  sseFraming,
  textFrameHeaderBytes,
  webSocketFraming,
  writeTextFrameHeader,
  type Framing,
} from './frames.ts';

const EPOCH = '00tmfk3mp2';
const body = fc
  .tuple(fc.jsonValue(), fc.constantFrom(0, 40, 200, 65_500))
  .map(([data, padding]) =>
    Buffer.from(`"channel":"a","time":"t","data":${JSON.stringify([data, 'é'.repeat(padding)])}}`),
  );
const events = fc.array(fc.tuple(fc.nat({ max: Number.MAX_SAFE_INTEGER }), body), { maxLength: 6 });

/** Reads the bytes as a client of the transport: the ids and the JSON of the events. */
const READ: Readonly<Record<Framing['name'], (bytes: Buffer) => string[]>> = {
  json: (bytes) => {
    const text = bytes.toString('utf8');
    return (JSON.parse(`[${text.slice(0, -1)}]`) as unknown[]).map((event) => JSON.stringify(event));
  },
  'sse-chunk': (bytes) => READ.sse(bytes),
  sse: (bytes) =>
    bytes
      .toString('utf8')
      .split('\n\n')
      .slice(0, -1)
      .map((block) => {
        const [, cursor, json] = /^id: (.{22})\ndata: ([^\n]*)$/.exec(block) as unknown as [string, string, string];
        expect((JSON.parse(json) as { id: string }).id).toBe(cursor);
        return json;
      }),
  websocket: (bytes) => {
    const messages: string[] = [];
    for (let at = 0; at < bytes.length;) {
      expect(bytes[at]).toBe(0x81);
      const short = bytes[at + 1] as number;
      const [header, length] =
        short < 126
          ? [2, short]
          : short === 126
            ? [4, bytes.readUInt16BE(at + 2)]
            : [10, Number(bytes.readBigUInt64BE(at + 2))];
      messages.push(bytes.toString('utf8', at + header, at + header + length));
      at += header + length;
    }
    return messages;
  },
};

describe.each([sseFraming, inChunks(sseFraming), webSocketFraming, jsonFraming])('the $name framing', (framing) => {
  it('contains the events, the same JSON on every transport, in exactly the bytes that it states', () => {
    fc.assert(
      fc.property(events, fc.nat(20), (list, begin) => {
        const size = list.reduce((sum, [, each]) => sum + framing.size(each.length), 0);
        const out = Buffer.alloc(begin + size, 0xaa);
        let at = begin;
        for (const [position, each] of list) at = framing.write(out, at, EPOCH, position, each);
        expect(at).toBe(begin + size);
        expect(out.subarray(0, begin).every((byte) => byte === 0xaa)).toBe(true);
        const expected = list.map(
          ([position, each]) => `{"id":"${encodeCursor(EPOCH, position)}",${each.toString('utf8')}`,
        );
        const found = READ[framing.name](out.subarray(begin));
        expect(found).toEqual(
          framing.name === 'json' ? expected.map((json) => JSON.stringify(JSON.parse(json))) : expected,
        );
      }),
    );
  });

  it('of a batch is that of each event, concatenated: batches may be split between any two events', () => {
    fc.assert(
      fc.property(events, (list) => {
        const one = (position: number, each: Uint8Array): Buffer => {
          const out = Buffer.alloc(framing.size(each.length));
          framing.write(out, 0, EPOCH, position, each);
          return out;
        };
        const joined = Buffer.alloc(list.reduce((sum, [, each]) => sum + framing.size(each.length), 0));
        let at = 0;
        for (const [position, each] of list) at = framing.write(joined, at, EPOCH, position, each);
        expect(joined.equals(Buffer.concat(list.map(([position, each]) => one(position, each))))).toBe(true);
      }),
    );
  });
});

describe('the header of a text frame (RFC 6455 section 5.2)', () => {
  it.each([
    [0, '8100'],
    [125, '817d'],
    [126, '817e007e'],
    [65_535, '817effff'],
    [65_536, '817f0000000000010000'],
    [2 ** 32 + 5, '817f0000000100000005'],
  ])('of %d bytes is %s', (payloadBytes, hex) => {
    const out = Buffer.alloc(12);
    expect(writeTextFrameHeader(out, 1, payloadBytes)).toBe(1 + hex.length / 2);
    expect(textFrameHeaderBytes(payloadBytes)).toBe(hex.length / 2);
    expect(out.subarray(1, 1 + hex.length / 2).toString('hex')).toBe(hex);
  });
});

describe('a chunk of HTTP/1.1', () => {
  const { wrapper: enclosure } = inChunks(sseFraming);

  it.each([1, 9, 10, 15, 16, 255, 256, 65_535, 65_536, 16_777_216])('of %d bytes has its size and its end', (size) => {
    const head = `${size.toString(16)}\r\n`;
    expect(enclosure?.prefixBytes(size)).toBe(head.length);
    const out = Buffer.alloc(head.length + size + (enclosure?.suffixBytes ?? 0), 'x');
    enclosure?.write(out, size);
    expect(out.toString('latin1', 0, head.length)).toBe(head);
    expect(out.toString('latin1', head.length + size)).toBe('\r\n');
    expect(out.subarray(head.length, head.length + size).every((byte) => byte === 120)).toBe(true);
    expect(enclosure?.contentOffset(out)).toBe(head.length);
  });

  it('of a text is the same as that of its bytes', () =>
    expect(asciiChunk(':\n') + LAST_CHUNK).toBe('2\r\n:\n\r\n0\r\n\r\n'));
});
