import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connectClient } from './broker-transport.ts';

const GREETING = 'INFO {"server_id":"a","version":"2.12.0","max_payload":1048576,"headers":true}\r\n';

/** A broker that greets so many connections, and accepts further ones without a word. */
async function broker(greeted: number): Promise<{ readonly url: string; readonly sockets: readonly Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (sockets.push(socket) > greeted) return void socket.resume();
    socket.write(GREETING);
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
