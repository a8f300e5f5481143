import { createParser } from 'eventsource-parser';
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

test("an id without data is the stream's new position", () => {
  expect(parse(bytesOf(':\nid: c3\n\n'))).toEqual([{ kind: 'id', id: 'c3' }]);
});

test('an id is valid until the next one', () => {
  expect(parse(bytesOf('id: a\ndata: 1\n\ndata: 2\n\n')).map((frame) => 'id' in frame && frame.id)).toEqual(['a', 'a']);
});

test('lines of one message are joined; a byte order mark at the start and comments are ignored', () => {
  expect(parse(bytesOf('\uFEFFdata: a\n: not this\ndata:b\ndata\n\n'))).toEqual([
    { kind: 'message', event: 'message', data: 'a\nb\n', id: '' },
  ]);
});

test('a message without its empty line is not delivered', () => {
  expect(parse(bytesOf('data: half\n'))).toEqual([]);
});

test('a byte order mark elsewhere is part of the line', () => {
  const ignored: string[] = [];
  const parser = createSseParser({ onIgnored: (line) => ignored.push(line) });
  expect(parser.feed(bytesOf('\uFEFF\uFEFFdata: a\n\uFEFFdata: b\n\n'))).toEqual([]);
  expect(ignored).toEqual(['\uFEFFdata: a', '\uFEFFdata: b']);
});

test('comments, unknown fields, an id with NUL and an invalid retry are reported', () => {
  const ignored: string[] = [];
  const parser = createSseParser({ onIgnored: (line) => ignored.push(line) });
  const frames = parser.feed(
    bytesOf('id: a\n:note\n:\nfoo: 1\nDATA: 2\nid: b\0\nretry: 1.5\nretry\nretry: 7\ndata: x\n\n'),
  );
  expect(frames).toEqual([
    { kind: 'retry', retryMs: 7 },
    { kind: 'message', event: 'message', data: 'x', id: 'a' },
  ]);
  expect(ignored).toEqual([':note', ':', 'foo: 1', 'DATA: 2', 'id: b\0', 'retry: 1.5', 'retry']);
});

test('a line feed after a carriage return does not end a second line, also in the next chunk', () => {
  const message = { kind: 'message', event: 'message', data: 'a', id: '' };
  expect(parse(bytesOf('data: a\r'), bytesOf('\n'), bytesOf('\r'), bytesOf('\n'))).toEqual([message]);
  expect(parse(bytesOf('data: a\r'), bytesOf(''), bytesOf('\ndata: b\r\r'))).toEqual([{ ...message, data: 'a\nb' }]);
  // The message is complete at the return: the parser does not wait for what follows.
  expect(parse(bytesOf('data: a\r\r'))).toEqual([message]);
});

test.each([
  ['an endless line', 'x'.repeat(1000)],
  ['a line of data without an end', `data: ${'x'.repeat(1000)}`],
  ['lines of data without an empty line', 'data: x\n'.repeat(100)],
  ['empty lines of data without an empty line', 'data\n'.repeat(100)],
])('%s is refused, and the parser returns no more frames', (_name, text) => {
  const parser = createSseParser({ messageBytesMax: 10_000 });
  const piece = bytesOf(text);
  expect(() => {
    for (let count = 0; count < 40; count++) expect(parser.feed(piece)).toEqual([]);
  }).toThrow(RangeError);
  expect(() => parser.feed(bytesOf('\n\ndata: later\n\n'))).toThrow(RangeError);
  expect(() => parser.feed(bytesOf('data: later\n\n'))).toThrow(RangeError);
});

test('a message of exactly the limit is read, and comments between messages do not count', () => {
  const parser = createSseParser({ messageBytesMax: 1000 });
  const data = 'é'.repeat(496);
  for (const piece of splitAt(bytesOf(`data: ${data}\n\n`), [300, 600, 900])) {
    const frames = parser.feed(piece);
    expect(frames.length === 0 || (frames[0] as { data: string }).data === data).toBe(true);
  }
  for (let count = 0; count < 100; count++) expect(parser.feed(bytesOf(`:${'x'.repeat(100)}\n`))).toEqual([]);
});

test('a long message takes linear time, in long and in short chunks', () => {
  const data = 'x'.repeat(15 * 1024 * 1024);
  const bytes = bytesOf(`id: c1\ndata: ${data}\n\n`);
  // It takes about 50 ms. A parser that joins the line with each chunk takes seconds.
  expect(cpuMsOf(() => expect(dataOf(bytes, 16 * 1024)).toBe(data))).toBeLessThan(1000);
  // Each call takes about a microsecond. Joining would copy 32 GB.
  const short = bytesOf(`data: ${data.slice(0, 256 * 1024)}\n\n`);
  expect(cpuMsOf(() => expect(dataOf(short, 1)).toHaveLength(256 * 1024))).toBeLessThan(2000);
});

function dataOf(bytes: Uint8Array, chunkBytes: number): string {
  const parser = createSseParser();
  const frames: SseFrame[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes)
    frames.push(...parser.feed(bytes.subarray(at, at + chunkBytes)));
  expect(frames).toHaveLength(1);
  return (frames[0] as { data: string }).data;
}

function cpuMsOf(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

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

const noise = fc
  .array(
    fc.constantFrom(
      'data',
      'event',
      'id',
      'retry',
      ': ',
      ':',
      ' ',
      '\n',
      '\r',
      '\r\n',
      '\n\n',
      '\0',
      '7',
      'é',
      '\uFEFF',
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(''));

/** The messages and retries of another parser, which leaves the last id to its caller. */
function referenceFrames(bytes: Uint8Array): SseFrame[] {
  const frames: SseFrame[] = [];
  let id = '';
  const parser = createParser({
    onId: (given) => void (id = given),
    onRetry: (retryMs) => void frames.push({ kind: 'retry', retryMs }),
    onEvent: ({ event = 'message', data }) => void frames.push({ kind: 'message', event, data, id }),
  });
  parser.feed(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  // It waits for what may follow a return at the end of a chunk.
  parser.feed(':');
  return frames;
}

test('eventsource-parser reads the same messages and retries', () => {
  fc.assert(
    fc.property(fc.oneof(stream, noise), fc.array(fc.nat(), { maxLength: 12 }), (text, splitPoints) => {
      const bytes = bytesOf(text);
      const frames = parse(...splitAt(bytes, splitPoints)).filter(({ kind }) => kind !== 'id');
      expect(frames).toEqual(referenceFrames(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('written messages are read unchanged', () => {
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
