import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { openHub } from '../hub.ts';

test('half-sent bodies share a budget, and give it back when they go', async () => {
  const limits = ['limits.bodyBytesMax=1000000', 'limits.bodiesBytesMax=1000000'];
  const { config } = loadConfig({
    settings: ['access=loopback', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error', ...limits],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  const sockets = [await halfABody(hub.port), await halfABody(hub.port)];
  const answers = sockets.map(
    (socket) => new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(String(bytes)))),
  );
  expect(await Promise.race(answers)).toMatch(/^HTTP\/1.1 503 [^]*Retry-After: 1\r\n[^]*"code":"overloaded"/);
  // What comes in one piece is published meanwhile.
  const small = await fetch(`${hub.url}/v1/channels/a/events`, { method: 'POST', body: 'a' });
  expect(small.status).toBe(201);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => published(hub.url)).toBe(201);
});

test.each(['/v1/users/42/disconnect', '/v1/keys/nobodys/rotate', '/v1/events'])(
  'a request to %s that announces no body has none, and is not waited for',
  async (path) => {
    const { config } = loadConfig({
      settings: [
        'access=rules',
        'listen=127.0.0.1:0',
        'data=:memory:',
        'logging.level=error',
        'limits.bodyTimeoutMs=60000',
      ],
    });
    const hub = await openHub(config);
    onTestFinished(() => hub.close());
    // As `curl -X POST` sends it; `fetch` says `Content-Length: 0`.
    const socket = connect(hub.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(`POST ${path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${hub.firstKey}\r\n\r\n`);
    const answer = await new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(String(bytes))));
    expect(answer).toMatch(/^HTTP\/1.1 (200|400|404|415) /);
  },
);

async function halfABody(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write('POST /v1/channels/a/events HTTP/1.1\r\nHost: hub\r\nContent-Length: 900000\r\n\r\n');
  await new Promise((resolve) => socket.write('x'.repeat(700_000), resolve));
  return socket;
}

async function published(url: string): Promise<number> {
  const { status } = await fetch(`${url}/v1/channels/a/events`, { method: 'POST', body: 'x'.repeat(200_000) });
  return status;
}
