import { encodeCursor, sseFraming, webSocketFraming, type Framing } from '@polycast/protocol';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientFrame } from '../kit/wire/raw-socket.ts';
import * as ws from 'ws';

/**
 * Third-party parsers read the hub's frames, however the network splits them (PROTOCOL.md sections
 * 6.2 and 7.2).
 */
const EPOCH = '00tmfk3mp2';
const { Receiver } = ws as unknown as { readonly Receiver: new (options: object) => NodeJS.WritableStream };
const data = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'grapheme' }),
  fc.constant('é'.repeat(40_000)),
  fc.constant('\u2028\u0085 id: x'),
);
const events = fc.array(data, { minLength: 1, maxLength: 5 });
const cuts = fc.array(fc.nat(), { maxLength: 8 });

/** The messages that a third-party parser finds in the pieces. */
const READ: Readonly<Record<string, (pieces: readonly Buffer[]) => string[]>> = {
  sse(pieces) {
    const messages: string[] = [];
    const parser = createParser({
      onEvent: ({ id, data: text, event }) => void messages.push(`${id} ${event ?? 'message'} ${text}`),
    });
    const decoder = new TextDecoder();
    for (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }));
    return messages.map((message) => {
      expect(message).toMatch(new RegExp(`^${message.slice(0, 22)} message {"id":"${message.slice(0, 22)}"`));
      return message.slice(31);
    });
  },
  websocket(pieces) {
    const messages: string[] = [];
    const receiver = new Receiver({ isServer: false, maxPayload: 0, skipUTF8Validation: false });
    receiver.on('message', (message: Buffer) => messages.push(message.toString('utf8')));
    for (const piece of pieces) receiver.write(piece);
    return messages;
  },
};

test.each([sseFraming, webSocketFraming])('$name, cut anywhere', (framing) => {
  fc.assert(
    fc.property(events, cuts, (list, places) => {
      const { bytes, expected } = framed(framing, list);
      expect(READ[framing.name]?.(cut(bytes, places))).toEqual(expected);
    }),
  );
});

test.each([sseFraming, webSocketFraming])('$name, byte by byte, and in two at every place', (framing) => {
  const { bytes, expected } = framed(framing, [{ a: 'é😀' }, '\u2028', [1, 2, 3].map((n) => 'x'.repeat(n * 60))]);
  expect(READ[framing.name]?.(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(expected);
  for (let at = 1; at < bytes.length; at++)
    expect(READ[framing.name]?.([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(expected);
});

test('the frames that these tests send are valid', () => {
  const messages: string[] = [];
  const receiver = new Receiver({ isServer: true, maxPayload: 0, skipUTF8Validation: false });
  receiver.on('message', (message: Buffer) => messages.push(message.toString('utf8')));
  const texts = ['a', 'x'.repeat(126), 'y'.repeat(70_000)];
  for (const text of texts) receiver.write(clientFrame(1, Buffer.from(text)));
  expect(messages).toEqual(texts);
});

function framed(framing: Framing, list: readonly unknown[]): { readonly bytes: Buffer; readonly expected: string[] } {
  const bodies = list.map((each) => Buffer.from(`"channel":"a","time":"t","data":${JSON.stringify(each)}}`));
  const bytes = Buffer.alloc(bodies.reduce((sum, { length }) => sum + framing.size(length), 0));
  let at = 0;
  for (const [position, body] of bodies.entries()) at = framing.write(bytes, at, EPOCH, position, body);
  return {
    bytes,
    expected: bodies.map((body, position) => `{"id":"${encodeCursor(EPOCH, position)}",${body.toString('utf8')}`),
  };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % bytes.length), bytes.length].toSorted((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}
