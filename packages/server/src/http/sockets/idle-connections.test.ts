import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { TimingWheel } from '../../core/primitives/timing-wheel.ts';
import { IdleConnections, markUsed, stopTracking } from './idle-connections.ts';

const PERIOD_MS = 1000;
const PERIOD_TICKS = 4;

test('a connection stays open for the whole timeout after each request, and is then closed', async () => {
  const { wheel, client } = await openConnection((response) => response.end());
  for (let requests = 0; requests < 3; requests++) {
    await ask(client);
    advance(wheel, PERIOD_TICKS);
    expect(client.closed).toBe(false);
  }
  advance(wheel, PERIOD_TICKS);
  await once(client, 'close');
});

test('a connection with a request in flight stays open', async () => {
  let finish = (): void => undefined;
  const { wheel, client } = await openConnection((response) => {
    response.write('a');
    finish = () => response.end('b');
  });
  await ask(client);
  advance(wheel, 10 * PERIOD_TICKS);
  finish();
  await once(client, 'data');
  advance(wheel, PERIOD_TICKS);
  expect(client.closed).toBe(false);
  advance(wheel, PERIOD_TICKS);
  await once(client, 'close');
});

test.each([
  ['is closed when its client has ended it', true, 10, true],
  ['stays while there is much of it', true, 100_000, false],
  ['stays while its client may ask on', false, 10, false],
])('one whose answer is never written %s', async (_name, hasEnded, bytes, goes) => {
  const wheel = new TimingWheel();
  // Like Node's TLS after some disconnects: a write never completes.
  const socket = new Duplex({ read: () => undefined, write: () => undefined, allowHalfOpen: true });
  new IdleConnections(wheel, PERIOD_MS).track(Object.assign(socket as Socket, { _httpMessage: { finished: true } }));
  socket.write(Buffer.alloc(bytes));
  if (hasEnded) {
    socket.push(null);
    await once(socket.resume(), 'end');
  }
  advance(wheel, PERIOD_TICKS);
  expect(socket.destroyed).toBe(false);
  advance(wheel, PERIOD_TICKS);
  expect(socket.destroyed).toBe(goes);
});

test('a connection that has become a stream has no idle timeout', async () => {
  const { wheel, client } = await openConnection((response) => {
    stopTracking(response.req.socket);
    response.end();
  });
  await ask(client);
  advance(wheel, 10 * PERIOD_TICKS);
  await ask(client);
});

async function openConnection(answer: (response: ServerResponse) => void) {
  const wheel = new TimingWheel();
  const keepAlive = new IdleConnections(wheel, PERIOD_MS);
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    markUsed(request.socket);
    answer(response);
  });
  server.on('connection', (socket) => keepAlive.track(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  await once(client, 'connect');
  return { wheel, client };
}

async function ask(client: Socket): Promise<void> {
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(client, 'data');
}

function advance(wheel: TimingWheel, ticks: number): void {
  for (let turned = 0; turned < ticks; turned++) wheel.advance();
}
