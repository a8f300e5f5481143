import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connectForTest, until } from '../testing/connections.ts';

// Faults that no hub has: garbage, truncated answers, answers of other servers. Each test scripts a
// server of a few lines.

const READY = { op: 'ready', cursor: 'c1', session: 's', heartbeatMs: 25_000 };

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface Script {
  readonly http?: Answer;
  /** The frames to send on a WebSocket; an empty list refuses it. */
  readonly frames?: readonly Buffer[];
}

async function serve({ http, frames = [] }: Script): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer(http ?? ((_request, response) => response.destroy()));
  server.on('connection', (socket) => sockets.add(socket.on('error', () => socket.destroy())));
  server.on('upgrade', (request, socket) => {
    if (frames.length === 0) return void socket.destroy();
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: polycast.v1\r\n\r\n`,
    );
    for (const frame of frames) socket.write(frame);
    // A client of these tests only sends its part of the closing handshake.
    socket.on('data', () => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A short unmasked frame (RFC 6455 section 5.2). */
function frame(opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x80 | opcode, payload.length), payload]);
}

const text = (value: string): Buffer => frame(1, Buffer.from(value));
const closing = (code: number): Buffer => frame(8, Buffer.of(code >> 8, code & 255));

/** Answers event streams with these bytes, and then cuts the connection. */
function eventStream(body: string): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(body, () => response.destroy());
  };
}

async function whatHappens(
  url: string,
  transports: readonly ('websocket' | 'sse' | 'long-poll' | 'short-poll')[],
): Promise<{ readonly seen: unknown[]; readonly whys: string[] }> {
  const connection = connectForTest(url, { transports });
  const seen: unknown[] = [];
  const whys: string[] = [];
  connection.on('error', () => undefined);
  connection.on(
    'state',
    ({ state, why }) => state === 'connecting' || (why !== undefined && why !== '' && whys.push(why)),
  );
  connection.subscribe('a', ({ data }) => seen.push(data));
  await until(() => whys.length > 0);
  return { seen, whys };
}

test('a WebSocket message that is not JSON ends the connection as lost', async () => {
  const { whys } = await whatHappens(await serve({ frames: [text(JSON.stringify(READY)), text('<html>')] }), [
    'websocket',
  ]);
  expect(whys[0]).toBe('no hub');
});

test('a binary WebSocket message ends the connection as lost', async () => {
  const { whys } = await whatHappens(
    await serve({ frames: [text(JSON.stringify(READY)), frame(2, Buffer.of(1, 2, 3))] }),
    ['websocket'],
  );
  expect(whys[0]).toBe('no hub');
});

test('after an unknown close code the client waits before it reconnects', async () => {
  const { whys } = await whatHappens(await serve({ frames: [text(JSON.stringify(READY)), closing(3999)] }), [
    'websocket',
  ]);
  expect(whys[0]).toBe('closed with 3999');
});

test('an event stream that ends in the middle of an event does not deliver that event', async () => {
  const body =
    'event: polycast.ready\nid: c1\ndata: {"cursor":"c1","heartbeatMs":25000}\n\nid: c2\ndata: {"id":"c2","channel":"a","data":1}\n\nid: c3\ndata: {"id":"c3","channel":"a","data":2}\n';
  const { seen, whys } = await whatHappens(await serve({ http: eventStream(body) }), ['sse']);
  expect(seen).toEqual([1]);
  expect(whys[0]).not.toBe('');
});

test('an event stream with invalid bytes ends as lost', async () => {
  const { whys } = await whatHappens(await serve({ http: eventStream('data: {"half\n\n') }), ['sse']);
  expect(whys[0]).toMatch(/JSON/);
});

test.each(['sse', 'long-poll', 'short-poll'] as const)(
  "a proxy's page is not accepted as an answer to %s",
  async (transport) => {
    const http: Answer = (_request, response) =>
      void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>Please log in.</html>');
    const { seen, whys } = await whatHappens(await serve({ http }), [transport]);
    expect(seen).toEqual([]);
    expect(whys[0]).toMatch(/no hub|JSON/);
  },
);

test.each([502, 403, 404])(
  'status %i without a problem document ends the connection as lost, and no subscription',
  async (status) => {
    const http: Answer = (_request, response) => void response.writeHead(status).end('nginx');
    const { whys } = await whatHappens(await serve({ http }), ['sse', 'short-poll']);
    expect(whys[0]).toBe(`status ${status}`);
  },
);

test('a hub that sends Retry-After receives no request before that time', async () => {
  const askedMs: number[] = [];
  const http: Answer = (_request, response) => {
    askedMs.push(performance.now());
    response.writeHead(503, { 'Content-Type': 'application/problem+json', 'Retry-After': '1' });
    response.end(
      JSON.stringify({ type: 'about:blank', title: 'Busy.', status: 503, code: 'overloaded', retryable: true }),
    );
  };
  const { whys } = await whatHappens(await serve({ http }), ['sse']);
  expect(whys[0]).toBe('overloaded');
  await until(() => askedMs.length === 2);
  expect((askedMs[1] as number) - (askedMs[0] as number)).toBeGreaterThanOrEqual(1000);
});
