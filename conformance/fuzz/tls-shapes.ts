import { randomBytes } from 'node:crypto';
import { fieldBlock, FLAG, frame, get, rawHttp2, TYPE, type RawHttp2 } from '../kit/wire/http2-frames.ts';
import { rawConnection, rawSocket } from '../kit/wire/raw-socket.ts';
import type { Seeded } from '../kit/seeded.ts';
import { uniquePattern } from './requests.ts';
import { sent, type MemoryShape, type Sent } from './memory-shapes.ts';

/** As many as a connection may have open. */
const STREAMS = 100;
const FRAME_BYTES = 16_000;
/**
 * What `Http2Session` and OpenSSL are sent before a request: a handshake, the preface and settings.
 */
const HANDSHAKE_BYTES = 1000;

/**
 * Shapes of TLS and HTTP/2. Most of their memory is in OpenSSL and nghttp2, outside of the garbage
 * collector.
 */
export const TLS_SHAPES: readonly MemoryShape[] = [
  {
    name: 'a connection that begins no handshake',
    clients: 200,
    send: async (hub) => ({ raw: await rawSocket(hub), bytes: 0 }),
  },
  {
    name: 'half a handshake',
    clients: 100,
    async send(hub) {
      const raw = await rawSocket(hub);
      const hello = halfHello(8000);
      await sent(raw, hello);
      return { raw, bytes: hello.length };
    },
  },
  {
    name: 'a handshake without a request',
    clients: 200,
    send: async (hub) => ({ raw: await rawConnection(hub), bytes: HANDSHAKE_BYTES }),
  },
  { name: 'HTTP/2 without a request', clients: 200, send: (hub) => http2(hub, []) },
  {
    name: 'HTTP/2: streams of long polls',
    clients: 20,
    streams: STREAMS,
    send: (hub, seeded) =>
      http2(
        hub,
        eachStream((id) => [get(id, `/v1/events?channel=${channel(seeded)}&wait=60`)]),
      ),
  },
  {
    name: 'HTTP/2: event streams',
    clients: 20,
    streams: STREAMS,
    send: (hub, seeded) =>
      http2(
        hub,
        eachStream((id) => [get(id, `/v1/events?channel=${channel(seeded)}`, { accept: 'text/event-stream' })]),
      ),
  },
  {
    name: 'HTTP/2: bodies that are half sent',
    clients: 20,
    streams: STREAMS,
    send: (hub) =>
      http2(
        hub,
        eachStream((id) => [post(id), frame(TYPE.data, 0, id, Buffer.alloc(600, 'x'))]),
      ),
  },
  {
    name: 'HTTP/2: bodies in frames of one byte',
    clients: 5,
    streams: 1,
    send: (hub) => http2(hub, [post(1), ...Array.from({ length: 20_000 }, () => frame(TYPE.data, 0, 1, LETTER))]),
  },
  {
    name: 'HTTP/2: a header block that does not end',
    clients: 50,
    streams: 1,
    send: (hub) =>
      http2(hub, [
        frame(TYPE.headers, FLAG.endStream, 1, fieldBlock({ ':method': 'GET', ':path': '/', ':scheme': 'https' })),
        ...Array.from({ length: 4 }, () => frame(TYPE.continuation, 0, 1, fieldBlock(filling(FRAME_BYTES)))),
      ]),
  },
  {
    name: 'HTTP/2: header blocks of small fields, on each stream',
    clients: 20,
    streams: STREAMS,
    send: (hub, seeded) =>
      http2(
        hub,
        eachStream((id) => [get(id, `/v1/events?channel=${channel(seeded)}&wait=60`, many(30))]),
      ),
  },
  {
    name: 'HTTP/2: pings and settings with unread answers',
    clients: 20,
    async send(hub) {
      const raw = await rawHttp2(hub);
      raw.socket.pause();
      return written(
        raw,
        Array.from({ length: 5000 }, (_, n) => (n % 2 === 0 ? PING : SETTINGS)),
      );
    },
  },
];

const LETTER = Buffer.from('x');
const PING = frame(TYPE.ping, 0, 0, Buffer.alloc(8));
const SETTINGS = frame(TYPE.settings, 0, 0);

async function http2(hub: string, frames: readonly Buffer[]): Promise<Sent> {
  return written(await rawHttp2(hub), frames);
}

async function written(raw: RawHttp2, frames: readonly Buffer[]): Promise<Sent> {
  const bytes = Buffer.concat(frames);
  if (bytes.length > 0 && !raw.closed) await sent(raw, bytes);
  return { raw, bytes: HANDSHAKE_BYTES + bytes.length };
}

function eachStream(framesOf: (id: number) => readonly Buffer[]): readonly Buffer[] {
  return Array.from({ length: STREAMS }, (_, index) => framesOf(2 * index + 1)).flat();
}

function post(stream: number): Buffer {
  const fields = { ':method': 'POST', ':scheme': 'https', ':authority': 'localhost', ':path': '/v1/channels/f/events' };
  return frame(TYPE.headers, FLAG.endHeaders, stream, fieldBlock({ ...fields, 'content-type': 'text/plain' }));
}

function channel(seeded: Seeded): string {
  return uniquePattern(seeded);
}

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, 'y']));
}

function filling(bytes: number): Record<string, string> {
  return { 'x-filling': 'y'.repeat(bytes - 100) };
}

/** The first bytes of a ClientHello (RFC 8446 section 4.1.2) in one record that announces more. */
function halfHello(bytes: number): Buffer {
  const record = Buffer.from([0x16, 0x03, 0x01, 0x3f, 0xff]);
  const hello = Buffer.from([0x01, 0x00, 0x3f, 0xfb, 0x03, 0x03]);
  return Buffer.concat([record, hello, randomBytes(bytes)]);
}
