import type { Socket } from 'node:net';
import { clientFrame, rawSocket, rawWebSocket } from '../kit/wire/raw-socket.ts';
import type { Seeded } from '../kit/seeded.ts';
import { uniquePattern } from './requests.ts';

/**
 * A request that would take much memory if its bytes were not bounded. One client sends it, and
 * stays connected.
 */
export interface MemoryShape {
  readonly name: string;
  readonly clients: number;
  /** Streams on each HTTP/2 connection. */
  readonly streams?: number;
  send(hub: string, seeded: Seeded): Promise<Sent>;
}

/** An open connection, and the number of bytes sent on it. */
export interface Sent {
  readonly raw: { destroy(): void };
  readonly bytes: number;
}

const POST = 'POST /v1/channels/fuzz/events HTTP/1.1\r\nHost: localhost\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n';
const LETTER = Buffer.from('a');

export const SHAPES: readonly MemoryShape[] = [
  { name: 'a silent connection', clients: 200, send: (hub) => plain(hub, '') },
  {
    name: 'half a head',
    clients: 100,
    send: (hub) => plain(hub, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(8000)}`),
  },
  {
    name: 'short polls for unique deep patterns',
    clients: 20,
    send: (hub, seeded) => plain(hub, Array.from({ length: 10 }, () => poll(`${patterns(seeded)}`)).join('')),
  },
  {
    name: 'long polls for unique deep patterns',
    clients: 50,
    send: (hub, seeded) => plain(hub, poll(`${patterns(seeded)}&wait=60`)),
  },
  {
    name: 'long polls behind each other',
    clients: 50,
    send: (hub, seeded) =>
      plain(hub, Array.from({ length: 20 }, () => poll(`channel=${uniquePattern(seeded)}&wait=60`)).join('')),
  },
  {
    name: 'a WebSocket with unique deep patterns',
    clients: 50,
    send: (hub, seeded) =>
      webSocket(hub, [clientFrame(1, Buffer.from(JSON.stringify({ op: 'subscribe', channels: list(seeded) })))]),
  },
  {
    name: 'a message in fragments of one byte',
    clients: 5,
    send: (hub) =>
      webSocket(
        hub,
        Array.from({ length: 20_000 }, (_, n) => clientFrame(n === 0 ? 1 : 0, LETTER, { final: false })),
      ),
  },
  {
    name: 'empty fragments',
    clients: 5,
    send: (hub) =>
      webSocket(
        hub,
        Array.from({ length: 20_000 }, (_, n) => clientFrame(n === 0 ? 1 : 0, Buffer.alloc(0), { final: false })),
      ),
  },
  {
    name: 'a body in chunks of one byte',
    clients: 5,
    send: (hub) => plain(hub, `${POST}Content-Type: text/plain\r\n${CHUNKED}${'1\r\na\r\n'.repeat(20_000)}`),
  },
  {
    name: 'a line in chunks of one byte',
    clients: 5,
    send: (hub) =>
      plain(
        hub,
        `${POST.replace('channels/fuzz/', '')}Content-Type: application/x-ndjson\r\n${CHUNKED}${'1\r\na\r\n'.repeat(20_000)}`,
      ),
  },
  {
    name: 'channels that are used once',
    clients: 5,
    send: (hub, seeded) =>
      plain(hub, Array.from({ length: 50 }, () => publish(uniquePattern(seeded).replaceAll('*', 'x'))).join('')),
  },
];

async function plain(hub: string, text: string): Promise<Sent> {
  const raw = await rawSocket(hub);
  await sent(raw, Buffer.from(text, 'latin1'));
  return { raw, bytes: text.length };
}

async function webSocket(hub: string, frames: readonly Buffer[]): Promise<Sent> {
  const raw = await rawWebSocket(hub);
  const bytes = Buffer.concat(frames);
  await sent(raw, bytes);
  return { raw, bytes: bytes.length };
}

/** Until the kernel has the bytes, or the hub has closed the connection. */
export function sent({ socket }: { readonly socket: Socket }, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', resolve);
    socket.write(bytes, () => resolve());
  });
}

function poll(query: string): string {
  return `GET /v1/events?${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

function publish(channel: string): string {
  return `POST /v1/channels/${channel}/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\na`;
}

function patterns(seeded: Seeded): string {
  return list(seeded)
    .map((pattern) => `channel=${pattern}`)
    .join('&');
}

/**
 * As deep as a pattern may be, different from all others in the first token, and as short as
 * possible.
 */
function list(seeded: Seeded): string[] {
  return Array.from(
    { length: 60 },
    () => `${uniquePattern(seeded, 1)}.*.${'b.'.repeat(9)}${seeded.pick([...'cdefgh'])}`,
  );
}
