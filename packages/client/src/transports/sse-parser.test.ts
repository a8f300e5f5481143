import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSseParser, type SseFrame } from './sse-parser.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function parse(...pieces: readonly Uint8Array[]): SseFrame[] {
  const parser = createSseParser();
  return pieces.flatMap((piece) => parser.feed(piece));
}

function splitAt(bytes: Uint8Array, splitPoints: readonly number[]): Uint8Array[] {
  const bounds = [
    0,
    ...splitPoints.map((splitPoint) => splitPoint % (bytes.length + 1)).toSorted((one, other) => one - other),
    bytes.length,
  ];
  return bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end));
}

test('a ready, an event, heartbeats and a gap are read as the hub writes them (PROTOCOL.md 6)', () => {
  const stream =
    'retry: 1000\nevent: polycast.ready\nid: c1\ndata: {"cursor":"c1"}\n\nid: c2\ndata: {"id":"c2"}\n\n' +
    ':\n:\nevent: polycast.heartbeat\nid: c3\ndata: {"cursor":"c3"}\n\nevent: polycast.gap\nid: c4\ndata: {}\n\n';
  expect(parse(bytesOf(stream))).toEqual([
    { kind: 'retry', retryMs: 1000 },
    { kind: 'message', event: 'polycast.ready', data: '{"cursor":"c1"}', id: 'c1' },
    { kind: 'message', event: 'message', data: '{"id":"c2"}', id: 'c2' },
    { kind: 'message', event: 'polycast.heartbeat', data: '{"cursor":"c3"}', id: 'c3' },
    { kind: 'message', event: 'polycast.gap', data: '{}', id: 'c4' },
  ]);
});

test('an id without data is where the stream has come to', () => {
  expect(parse(bytesOf(':\nid: c3\n\n'))).toEqual([{ kind: 'id', id: 'c3' }]);
});

test('an id is the last one given until another comes', () => {
  expect(parse(bytesOf('id: a\ndata: 1\n\ndata: 2\n\n')).map((frame) => 'id' in frame && frame.id)).toEqual(['a', 'a']);
});

test('lines of one message are joined, the mark at the start of the stream and comments are left out', () => {
  expect(parse(bytesOf('\uFEFFdata: a\n: not this\ndata:b\ndata\n\n'))).toEqual([
    { kind: 'message', event: 'message', data: 'a\nb\n', id: '' },
  ]);
});

test('a message without its empty line is not delivered', () => {
  expect(parse(bytesOf('data: half\n'))).toEqual([]);
});

test('an endless line is refused and not kept', () => {
  const parser = createSseParser();
  const piece = bytesOf('x'.repeat(1024 * 1024));
  expect(() => {
    for (let count = 0; count < 20; count++) parser.feed(piece);
  }).toThrow(RangeError);
});

const field = fc.oneof(
  fc.record({
    name: fc.constantFrom('data', 'event', 'id', 'retry', '', 'other'),
    value: fc.string({ unit: 'grapheme', maxLength: 12 }),
  }),
  fc.record({ name: fc.constant('retry'), value: fc.nat(10_000).map(String) }),
);
const lineEnd = fc.constantFrom('\n', '\r', '\r\n');
const stream = fc
  .array(
    fc.tuple(
      fc.oneof(
        field.map(({ name, value }) => `${name}: ${value.replaceAll(/[\r\n]/g, '')}`),
        fc.constant(''),
      ),
      lineEnd,
    ),
    { maxLength: 30 },
  )
  .map((lines) => lines.flat().join(''));

test('every split of the bytes gives the same frames', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (text, splitPoints) => {
      const bytes = bytesOf(text);
      expect(parse(...splitAt(bytes, splitPoints))).toEqual(parse(bytes));
    }),
    { numRuns: 500 },
  );
});

test('a stream given byte by byte gives the same frames', () => {
  fc.assert(
    fc.property(stream, (text) => {
      const bytes = bytesOf(text);
      expect(parse(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(parse(bytes));
    }),
  );
});

test('what was written is read again', () => {
  const message = fc.record({
    event: fc.constantFrom('message', 'polycast.gap'),
    id: fc.stringMatching(/^[0-9a-z-]{1,22}$/),
    data: fc.string({ unit: 'grapheme', minLength: 1 }).filter((data) => !data.includes('\r')),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
      const written = messages.map(
        ({ event, id, data }) =>
          `event: ${event}\nid: ${id}\n${data
            .split('\n')
            .map((line) => `data: ${line}\n`)
            .join('')}\n`,
      );
      expect(parse(bytesOf(written.join('')))).toEqual(messages.map((given) => ({ kind: 'message', ...given })));
    }),
  );
});
