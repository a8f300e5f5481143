import type { CloseCode } from '@polycast/protocol';
import { clientFrame } from '../kit/wire/raw-socket.ts';

/** Invalid bytes on an open WebSocket, and the close code. */
export interface BadFrames {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: CloseCode;
}

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const letter = Buffer.from('a');

export const FRAMES: readonly BadFrames[] = [
  { name: 'a frame of 1 GB', bytes: Buffer.from('81ff000000004000000000000000', 'hex'), code: 1009 },
  { name: 'a frame of 2^63 bytes', bytes: Buffer.from('81ff7fffffffffffffff00000000', 'hex'), code: 1009 },
  { name: 'a message of 256 KiB and one byte', bytes: clientFrame(TEXT, Buffer.alloc(256 * 1024 + 1, 97)), code: 1009 },
  {
    name: 'the same in fragments',
    bytes: Buffer.concat(
      [0, 1, 2].map((n) => clientFrame(n === 0 ? TEXT : 0, Buffer.alloc(100_000, 97), { final: false })),
    ),
    code: 1009,
  },
  {
    name: 'a frame that is not masked',
    bytes: clientFrame(TEXT, Buffer.from('{"op":"ping"}'), { masked: false }),
    code: 1002,
  },
  { name: 'reserved bits', bytes: Buffer.from('f18000000000', 'hex'), code: 1002 },
  { name: 'compression that was not agreed on', bytes: Buffer.from('c18000000000', 'hex'), code: 1002 },
  { name: 'an opcode that is not known', bytes: Buffer.from('838000000000', 'hex'), code: 1002 },
  { name: 'a continuation without a message', bytes: clientFrame(0, letter), code: 1002 },
  {
    name: 'a message within a message',
    bytes: Buffer.concat([clientFrame(TEXT, letter, { final: false }), clientFrame(TEXT, letter)]),
    code: 1002,
  },
  { name: 'a ping of 200 bytes', bytes: clientFrame(PING, Buffer.alloc(200)), code: 1002 },
  { name: 'a ping in fragments', bytes: clientFrame(PING, letter, { final: false }), code: 1002 },
  {
    name: 'a message of 256 KiB and more in fragments of one byte',
    bytes: Buffer.concat([
      ...Array.from({ length: 3000 }, (_, n) => clientFrame(n === 0 ? TEXT : 0, letter, { final: false })),
      clientFrame(0, Buffer.alloc(256 * 1024 - 2999, 97)),
    ]),
    code: 1009,
  },
  { name: 'text that is not UTF-8', bytes: clientFrame(TEXT, Buffer.from([0xff, 0xfe])), code: 1007 },
  { name: 'a surrogate half in UTF-8', bytes: clientFrame(TEXT, Buffer.from('eda080', 'hex')), code: 1007 },
  { name: 'a binary message', bytes: clientFrame(BINARY, Buffer.from('{}')), code: 1003 },
  { name: 'a close of one byte', bytes: clientFrame(CLOSE, letter), code: 1002 },
  {
    name: 'a close with a code that may not be sent',
    bytes: clientFrame(CLOSE, Buffer.from('03ed', 'hex')),
    code: 1002,
  },
  {
    name: 'a close with a reason that is not UTF-8',
    bytes: clientFrame(CLOSE, Buffer.from('03e8ff', 'hex')),
    code: 1007,
  },
  { name: 'no frame at all', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(10)), code: 1002 },
  {
    name: 'twenty messages that are no operations',
    bytes: Buffer.concat(Array.from({ length: 20 }, () => clientFrame(TEXT, Buffer.from('nope')))),
    code: 4400,
  },
];

/** Texts that are not an operation, and the error code of the answer. */
export const NO_OPERATIONS: readonly (readonly [string, string])[] = [
  ['', 'invalid_json'],
  ['{', 'invalid_json'],
  ['{"op":"ping"}{"op":"ping"}', 'invalid_json'],
  ['['.repeat(100_000), 'json_too_deep'],
  ['null', 'invalid_message'],
  ['[]', 'invalid_message'],
  ['{}', 'invalid_message'],
  ['{"op":"dance"}', 'invalid_message'],
  ['{"op":"__proto__"}', 'invalid_message'],
  ['{"op":["ping"]}', 'invalid_message'],
  ['{"__proto__":{"op":"ping"}}', 'invalid_message'],
  ['{"op":"ping","ref":{}}', 'invalid_message'],
  ['{"op":"ping","ref":true}', 'invalid_message'],
  [`{"op":"ping","ref":"${'r'.repeat(65)}"}`, 'invalid_message'],
  ['{"op":"ping","ref":1e400}', 'invalid_message'],
];

/** Operations that are refused in their answer, and the code. */
export const REFUSED_OPERATIONS: readonly (readonly [object | string, string])[] = [
  [{ op: 'subscribe' }, 'invalid_message'],
  [{ op: 'subscribe', channels: [] }, 'invalid_message'],
  [{ op: 'subscribe', channels: 'a' }, 'invalid_message'],
  [{ op: 'subscribe', channels: [1] }, 'invalid_message'],
  [{ op: 'subscribe', channels: [['a']] }, 'invalid_message'],
  [{ op: 'subscribe', channels: ['a..b'] }, 'invalid_pattern'],
  [{ op: 'subscribe', channels: ['\0'] }, 'invalid_pattern'],
  [{ op: 'subscribe', channels: Array.from({ length: 101 }, (_, n) => `c${n}`) }, 'too_many_channels'],
  [{ op: 'subscribe', channels: ['a'], after: 'nonsense' }, 'invalid_cursor'],
  [{ op: 'subscribe', channels: ['a'], after: 5 }, 'invalid_message'],
  [{ op: 'subscribe', channels: ['a'], history: 1.5 }, 'invalid_message'],
  [{ op: 'subscribe', channels: ['a'], history: 0 }, 'invalid_message'],
  [{ op: 'subscribe', channels: ['a'], history: 5, after: 'now' }, 'invalid_message'],
  [{ op: 'unsubscribe' }, 'invalid_message'],
  [{ op: 'unsubscribe', channels: {} }, 'invalid_message'],
  [{ op: 'auth' }, 'invalid_message'],
  [{ op: 'pull', credit: 1 }, 'invalid_message'],
  [{ op: 'pull', subscription: {}, credit: 1 }, 'invalid_message'],
  [{ op: 'pull', subscription: 'sub_0000000000000000', credit: 1 }, 'not_found'],
  [{ op: 'credit', subscription: '__proto__', credit: 1 }, 'not_found'],
  [{ op: 'ack', subscription: '', leases: [] }, 'not_found'],
  [{ op: 'nack', subscription: ['sub_0000000000000000'] }, 'invalid_message'],
  [{ op: 'extend' }, 'invalid_message'],
  [{ op: 'publish', data: 1 }, 'channel_missing'],
  [{ op: 'publish', channel: 'a' }, 'invalid_event'],
  [{ op: 'publish', channel: '*', data: 1 }, 'invalid_channel'],
  [{ op: 'publish', channel: 'a', data: 1, extra: 1 }, 'invalid_event'],
  [{ op: 'publish', channel: 'a', data: 1, ifMatch: '0000000000-00000000000' }, 'precondition_failed'],
  ['{"op":"publish","channel":"a","data":1,"data":2}', 'duplicate_member'],
  ['{"op":"subscribe","channels":["a"],"channels":["b"]}', 'duplicate_member'],
  [`{"op":"publish","channel":"a","data":"${'x'.repeat(262_095)}"}`, 'event_too_large'],
];
