import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { resetConnection } from './wire-connection.ts';

test('the peer of a connection sees the reset', async () => {
  const { accepted, peer } = await connection();
  resetConnection(accepted);
  const [error] = (await once(peer, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
});

test('a connection is closed at each step of its end', async () => {
  for (let steps = 0; steps < 6; steps++) {
    const { accepted } = await connection();
    const closed = once(accepted, 'close');
    accepted.end();
    for (let step = 0; step < steps; step++) await new Promise(steps < 4 ? process.nextTick : setImmediate);
    resetConnection(accepted);
    await closed;
  }
});

test('a connection that is not open yet is closed', async () => {
  const server = await listening(() => undefined);
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('connect', () => expect.fail('it opened'));
  const closed = once(socket, 'close');
  resetConnection(socket);
  await closed;
});

async function connection(): Promise<{ readonly accepted: Socket; readonly peer: Socket }> {
  const accepting = Promise.withResolvers<Socket>();
  const server = await listening(accepting.resolve);
  const peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void peer.destroy());
  return { accepted: await accepting.promise, peer };
}

async function listening(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return server;
}
