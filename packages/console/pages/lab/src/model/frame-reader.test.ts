import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader, frameName } from './frame-reader.ts';

test('the examples of RFC 6455, section 5.7, are read', () => {
  const reader = new FrameReader();
  const [plain, masked, ping] = reader.feed(
    ['\x81\x05Hello', '\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58', '\x89\x00'].join(''),
  );
  expect(plain).toEqual({ opcode: 1, masked: false, payload: 'Hello', byteCount: 7 });
  expect(masked).toEqual({ opcode: 1, masked: true, payload: 'Hello', byteCount: 11 });
  expect(ping === undefined ? '' : frameName(ping)).toBe('ping');
});

test('any payload of any length is read unchanged, however the bytes are split', () => {
  const payloads = fc.array(
    fc.tuple(fc.constantFrom(0, 1, 125, 126, 200, 65_535, 65_536), fc.boolean(), fc.nat(0xff_ff_ff_ff)),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(payloads, fc.integer({ min: 1, max: 50_000 }), (frames, pieceLength) => {
      const expected = frames.map(([length]) => 'x'.repeat(length));
      const bytes = frames
        .map(([length, masked, key]) => encode('x'.repeat(length), masked ? key : undefined))
        .join('');
      const reader = new FrameReader();
      const read = [];
      for (let at = 0; at < bytes.length; at += pieceLength)
        read.push(...reader.feed(bytes.slice(at, at + pieceLength)));
      expect(read.map(({ payload }) => payload)).toEqual(expected);
      expect(read.reduce((total, { byteCount }) => total + byteCount, 0)).toBe(bytes.length);
    }),
    { numRuns: 40 },
  );
});

function encode(payload: string, key: number | undefined): string {
  const { length } = payload;
  const code = length < 126 ? length : length < 65_536 ? 126 : 127;
  const extended = code === 126 ? number(length, 2) : code === 127 ? number(length, 8) : '';
  const mask = key === undefined ? '' : number(key, 4);
  const body =
    key === undefined
      ? payload
      : payload.replace(/./gs, (character, at: number) =>
          String.fromCharCode(character.charCodeAt(0) ^ mask.charCodeAt(at % 4)),
        );
  return `\x81${String.fromCharCode(code | (key === undefined ? 0 : 0x80))}${extended}${mask}${body}`;
}

function number(value: number, byteCount: number): string {
  let text = '';
  for (let shift = byteCount - 1; shift >= 0; shift--)
    text += String.fromCharCode(Math.floor(value / 256 ** shift) % 256);
  return text;
}
