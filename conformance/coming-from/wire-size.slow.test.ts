import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { Server } from 'socket.io';
import { expect, onTestFinished, test } from 'vitest';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/** The bytes of an event on the connection, as the guide for users of Socket.IO shows them. */

const GUIDE = join(import.meta.dirname, '../../docs/guides/coming-from-socket-io.md');
const CHANNEL = 'orders.42';
const TYPE = 'order.sent';
const SMALL = { order: 42 };
const LARGE = { order: 42, text: 'x'.repeat(1000) };
/** Of Socket.IO: the client enters the default namespace. */
const ENTER_NAMESPACE = Buffer.from([0x81, 0x82, 0, 0, 0, 0, ...Buffer.from('40')]);

test('the guide shows the bytes of an event on each connection', async () => {
  const hub = await startHubProcess();
  const peer = await startSocketIo();
  const webSocket = await open(hub.port, upgrade(`/v1/events?channel=${CHANNEL}`), '"op":"ready"');
  const eventStream = await open(hub.port, eventStreamOf(CHANNEL), 'polycast.ready');
  const socketIo = await open(peer.port, upgrade('/socket.io/?EIO=4&transport=websocket'), '"sid"');
  const entered = socketIo.bytes().length;
  socketIo.socket.write(ENTER_NAMESPACE);
  await until('Socket.IO has answered', () => socketIo.bytes().length > entered);

  const rows: string[] = [];
  for (const [name, data] of [
    [`\`${JSON.stringify(SMALL)}\`, 12 bytes`, SMALL],
    ['an object of 1,022 bytes', LARGE],
  ] as const) {
    const connections = [webSocket, eventStream, socketIo];
    const before = connections.map(({ bytes }) => bytes().length);
    await publish(hub.url, data);
    peer.send(data);
    await until('the event has arrived', () =>
      connections.every(({ bytes }, index) => isComplete(bytes().subarray(before[index]), data)),
    );
    const sizes = connections.map(({ bytes }, index) => bytes().length - (before[index] as number));
    rows.push(`| ${[name, ...sizes.map((size) => size.toLocaleString('en'))].join(' | ')} |`);
  }
  expect(readFileSync(GUIDE, 'utf8')).toContain(rows.join('\n'));
});

/** Whether the data and what follows it in its frame have arrived: each write is one event. */
function isComplete(received: Buffer, data: object): boolean {
  return received.includes(JSON.stringify(data));
}

async function publish(url: string, data: object): Promise<void> {
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ channel: CHANNEL, type: TYPE, data }),
  });
  expect(response.status).toBe(201);
}

async function startSocketIo(): Promise<{ readonly port: number; send(data: object): void }> {
  const site = createServer().listen(0, '127.0.0.1');
  await once(site, 'listening');
  const server = new Server(site, { transports: ['websocket'], serveClient: false });
  server.on('connection', (socket) => void socket.join(CHANNEL));
  onTestFinished(() => server.close());
  return { port: (site.address() as AddressInfo).port, send: (data) => void server.to(CHANNEL).emit(TYPE, data) };
}

interface Connection {
  readonly socket: Socket;
  readonly bytes: () => Buffer;
}

/** Sends a request and waits for a text in the answer. */
async function open(port: number, request: string, opened: string): Promise<Connection> {
  const socket = connect(port, '127.0.0.1');
  let received = Buffer.alloc(0);
  socket.on('data', (piece: Buffer) => (received = Buffer.concat([received, piece])));
  onTestFinished(() => void socket.destroy());
  socket.write(request);
  await until(`${opened} has arrived`, () => received.includes(opened));
  return { socket, bytes: () => received };
}

function upgrade(path: string): string {
  return lines(
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  );
}

function eventStreamOf(channel: string): string {
  return lines(`GET /v1/events?channel=${channel} HTTP/1.1`, 'Host: 127.0.0.1', 'Accept: text/event-stream');
}

function lines(...header: readonly string[]): string {
  return `${header.join('\r\n')}\r\n\r\n`;
}
