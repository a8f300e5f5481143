import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { connectClient } from './broker-transport.ts';
import { moveToLeader } from './connection.ts';

interface FakeBroker {
  readonly url: string;
  readonly sockets: readonly Socket[];
}

/** A broker that greets so many connections, and accepts further ones without a word. */
async function broker(greeted: number, name = 'n'): Promise<FakeBroker> {
  const greeting = { server_id: name, server_name: name, version: '2.12.0', max_payload: 2 ** 20, headers: true };
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (sockets.push(socket) > greeted) return void socket.resume();
    socket.write(`INFO ${JSON.stringify(greeting)}\r\n`);
    socket.on('data', (data) => {
      if (data.includes('PING')) socket.write('PONG\r\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
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
  const [silent, follower, leader] = [await broker(0), await broker(2, 'follower'), await broker(1, 'leader')];
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
  // It can be read once somebody writes it.
  const caFile = join(temporaryFolder(), 'ca.pem');
  execFileSync('mkfifo', [caFile]);
  const info = { server_id: 'n', server_name: 'n', version: '2.12.0', max_payload: 2 ** 20, tls_required: true };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(`INFO ${JSON.stringify(info)}\r\n`, () => setTimeout(() => socket.resetAndDestroy(), 50));
    socket.on('close', () => setTimeout(() => void writeFile(caFile, ''), 50));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const servers = [`tls://127.0.0.1:${(server.address() as AddressInfo).port}`];
  await expect(connectClient({ ...options, servers, tls: { caFile }, timeout: 1_000 })).rejects.toThrow('timeout');
});
