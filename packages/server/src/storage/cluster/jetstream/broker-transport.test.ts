import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { listenUntilTestEnds } from '../../../testing/test-servers.ts';
import { connectClient } from './broker-transport.ts';
import { moveToLeader } from './connection.ts';

interface FakeBroker {
  readonly url: string;
  readonly sockets: readonly Socket[];
}

/** A broker that greets so many connections, and accepts further ones without a word. */
async function broker(greeted: number, greeting: object = {}): Promise<FakeBroker> {
  const info = { server_id: 'n', version: '2.12.0', max_payload: 2 ** 20, headers: true, ...greeting };
  const sockets: Socket[] = [];
  const port = await listenUntilTestEnds(
    createServer((socket) => {
      if (sockets.push(socket) > greeted) return void socket.resume();
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on('data', (data) => {
        if (data.includes('PING')) socket.write('PONG\r\n');
      });
    }),
  );
  return { url: `nats://127.0.0.1:${port}`, sockets };
}

const options = { maxReconnectAttempts: -1, reconnectTimeWait: 10, reconnectJitter: 10, noAsyncTraces: true };

test('a connection that the broker does not greet in time is closed', async () => {
  const { url, sockets } = await broker(0);
  await expect(connectClient({ ...options, servers: [url], timeout: 100 })).rejects.toThrow('timeout');
  await once(sockets[0] as Socket, 'close');
});

test('a client that is closed while it connects again leaves no connection', async () => {
  const { url, sockets } = await broker(1);
  const client = await connectClient({ ...options, servers: [url], timeout: 60_000 });
  sockets[0]?.destroy();
  await expect.poll(() => sockets.length).toBe(2);
  await client.close();
  await once(sockets[1] as Socket, 'close');
});

test('a hub that looks for the leader leaves no connection to a broker that stands still', async () => {
  const [silent, follower, leader] = [
    await broker(0),
    await broker(2, { server_name: 'follower' }),
    await broker(1, { server_name: 'leader' }),
  ];
  const nats = [silent.url, follower.url, leader.url];
  const client = await connectClient({ ...options, servers: [follower.url] });
  const tls = { caFile: null, certificateFile: null, keyFile: null };
  const stored = { sealKeyFile: null, replicas: 3, snapshotBytes: 2 ** 30, monitoring: [] };
  const settings = { ...stored, nats, name: 'polycast', credentials: null, tls };
  const moved = await moveToLeader(client, 'leader', settings, 'hub');
  expect(moved.info?.server_name).toBe('leader');
  await expect
    .poll(() => [silent, follower].flatMap(({ sockets }) => sockets).every(({ closed }) => closed))
    .toBe(true);
  await moved.close();
});

test('a broker that resets the connection while the hub reads its files for TLS ends the attempt alone', async () => {
  const caFile = join(temporaryFolder(), 'ca.pem');
  execFileSync('mkfifo', [caFile]);
  const { url, sockets } = await broker(1, { tls_required: true });
  const connecting = connectClient({ ...options, servers: [url], tls: { caFile }, timeout: 1_000 });
  const failure = connecting.then(
    () => null,
    (error: unknown) => error,
  );
  // Nobody can write to the pipe before the hub reads it. The hub has the file when it is closed.
  const writing = await vi.waitFor(() => openSync(caFile, constants.O_WRONLY | constants.O_NONBLOCK));
  sockets[0]?.resetAndDestroy();
  for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => void setImmediate(resolve));
  closeSync(writing);
  expect(String(await failure)).toContain('timeout');
});
