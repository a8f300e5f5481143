import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HttpReader } from './http-reader.ts';
import type { HttpPart } from './http-reader.ts';

const REQUEST = 'GET /v1/events?channel=a HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n';
const COUNTED = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n';
const NOT_MODIFIED = 'HTTP/1.1 304 Not Modified\r\nETag: W/"1"\r\n\r\n';
const UPGRADED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi';
const STREAM = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata: x\n\n';

test('a request without a body is a head and an end, and the next one follows', () => {
  const reader = new HttpReader();
  expect(kinds(reader.feed(REQUEST + REQUEST))).toEqual(['head', 'end', 'head', 'end']);
});

test('a head has its first line and its header, names in lower case', () => {
  const [head] = new HttpReader().feed(REQUEST);
  expect(head).toMatchObject({ kind: 'head', startLine: 'GET /v1/events?channel=a HTTP/1.1' });
  expect(head?.kind === 'head' && head.headers.get('accept')).toBe('*/*');
});

test('a body ends after its length or its last chunk', () => {
  expect(summary(new HttpReader().feed(COUNTED + CHUNKED))).toEqual([
    'head HTTP/1.1 200 OK',
    'body hello',
    'end',
    'head HTTP/1.1 200 OK',
    'body hello world',
    'end',
  ]);
});

test('304 and 204 have no body, whatever their header says', () => {
  const answers = NOT_MODIFIED + 'HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n' + COUNTED;
  expect(kinds(new HttpReader().feed(answers))).toEqual(['head', 'end', 'head', 'end', 'head', 'body', 'end']);
});

test('an interim answer is not counted as the answer', () => {
  expect(kinds(new HttpReader().feed('HTTP/1.1 100 Continue\r\n\r\n' + COUNTED))).toEqual([
    'head',
    'head',
    'body',
    'end',
  ]);
});

test('a body without a length ends when the connection closes', () => {
  expect(kinds(new HttpReader().feed(STREAM))).toEqual(['head', 'body']);
});

test('after a change of protocol the bytes are no longer HTTP', () => {
  expect(summary(new HttpReader().feed(UPGRADED))).toEqual([
    'head HTTP/1.1 101 Switching Protocols',
    'other \x81\x02hi',
  ]);
});

test('however the bytes are split, the parts are the same', () => {
  const conversation = COUNTED + CHUNKED + NOT_MODIFIED + UPGRADED;
  const whole = summary(new HttpReader().feed(conversation));
  fc.assert(
    fc.property(fc.array(fc.nat(conversation.length), { maxLength: 20 }), (cuts) => {
      const reader = new HttpReader();
      const places = [0, ...cuts.toSorted((one, other) => one - other), conversation.length];
      const parts = places.slice(1).flatMap((place, index) => reader.feed(conversation.slice(places[index], place)));
      expect(summary(parts)).toEqual(whole);
    }),
  );
});

function kinds(parts: readonly HttpPart[]): string[] {
  return parts.map(({ kind }) => kind);
}

/** Each part as text; adjacent parts of a body are joined. */
function summary(parts: readonly HttpPart[]): string[] {
  const texts: string[] = [];
  for (const part of parts) {
    const last = texts.at(-1);
    if (part.kind === 'end') texts.push('end');
    else if (part.kind === 'head') texts.push(`head ${part.startLine}`);
    else if (last?.startsWith(`${part.kind} `)) texts[texts.length - 1] = last + part.bytes;
    else texts.push(`${part.kind} ${part.bytes}`);
  }
  return texts;
}
