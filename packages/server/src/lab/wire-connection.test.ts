import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { listenUntilTestEnds } from '../testing/test-servers.ts';
import { resetConnection } from './wire-connection.ts';

test('the peer of a connection sees the reset', async () => {
  const { accepted, peer } = await connection();
  resetConnection(accepted);
  const [error] = (await once(peer, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
});

test.each([0, 1, 2, 3])('a connection is closed in the moment of its end, %i ticks later', async (ticks) => {
  const { accepted } = await connection();
  const closed = once(accepted, 'close');
  accepted.end();
  for (let tick = 0; tick < ticks; tick++) await new Promise(process.nextTick);
  resetConnection(accepted);
  await closed;
});

test('a connection is closed after its end', async () => {
  const { accepted } = await connection();
  await once(accepted.end(), 'finish');
  const closed = once(accepted, 'close');
  resetConnection(accepted);
  await closed;
});

test('a connection that is not open yet is closed', async () => {
  const socket = connect(await listenUntilTestEnds(createServer()), '127.0.0.1');
  socket.on('connect', () => expect.fail('it opened'));
  const closed = once(socket, 'close');
  resetConnection(socket);
  await closed;
});

async function connection(): Promise<{ readonly accepted: Socket; readonly peer: Socket }> {
  const accepting = Promise.withResolvers<Socket>();
  const port = await listenUntilTestEnds(createServer({ allowHalfOpen: true }, accepting.resolve));
  const peer = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void peer.destroy());
  return { accepted: await accepting.promise, peer };
}
