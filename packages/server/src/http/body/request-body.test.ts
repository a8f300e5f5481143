import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { openHub, type Hub } from '../../hub.ts';

test('incomplete bodies share a budget, and release it when they end', async () => {
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
  // A body in one piece is published meanwhile.
  const small = await fetch(`${hub.url}/v1/channels/a/events`, { method: 'POST', body: 'a' });
  expect(small.status).toBe(201);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => published(hub.url)).toBe(201);
});

test.each(['/v1/users/42/disconnect', '/v1/keys/nobodys/rotate', '/v1/events'])(
  'a request to %s without a body is answered without waiting for one',
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
    // As `curl -X POST` sends it; `fetch` sends `Content-Length: 0`.
    const socket = connect(hub.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${hub.firstKey}\r\n\r\n`);
    const answer = await new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(String(bytes))));
    expect(answer).toMatch(/^HTTP\/1.1 (200|400|404|415) /);
  },
);

test('a client has a share of the memory for incomplete bodies, and servers are not affected', async () => {
  const hub = await hubOf(
    'limits.bodyBytesMax=1000000',
    'limits.bodiesBytesMax=10000000',
    'limits.clientBodiesBytesMax=1000000',
  );
  for (const contentType of ['application/json', 'application/x-ndjson']) {
    const sockets = await Promise.all([1, 2].map(() => halfAPublish(hub.port, contentType, 'lobby', 700_000)));
    const refused = await Promise.race(sockets.map(answerOf));
    expect(refused).toMatch(/"code":"overloaded"/);
    const server = await halfAPublish(hub.port, contentType, 'lobby', 900_000, hub.firstKey);
    server.write('"}\n');
    server.end();
    expect(await answerOf(server)).toMatch(/"id":"/);
    for (const socket of sockets) socket.destroy();
    // Their reserved bytes are released.
    await expect.poll(async () => (await publishedBy(hub.url)).status).toBe(201);
  }
});

test.each([
  ['POST /v1/events', 'application/json'],
  ['POST /v1/events', 'application/x-ndjson'],
  ['POST /v1/users/events', 'application/json'],
  ['POST /v1/channels/closed/events', 'text/plain'],
  ['POST /v1/users/ann/events', 'application/json'],
])(
  '%s (%s) of a caller without any publish permission is refused before its body arrives',
  async (line, contentType) => {
    const hub = await hubOf('rules=[{pattern: lobby, publish: users}]');
    const socket = connect(hub.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(
      `${line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${contentType}\r\nContent-Length: 900000\r\n\r\n{`,
    );
    expect(await answerOf(socket)).toMatch(/^HTTP\/1.1 401 /);
  },
);

/** Everybody may publish to `lobby`, unless the settings differ. */
async function hubOf(...settings: readonly string[]): Promise<Hub> {
  const { config } = loadConfig({
    settings: [
      'access=rules',
      'rules=[{pattern: lobby, publish: anyone}]',
      'listen=127.0.0.1:0',
      'data=:memory:',
      'defaults.eventBytesMax=1000000',
      'logging.level=error',
      ...settings,
    ],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  return hub;
}

async function halfAPublish(
  port: number,
  contentType: string,
  channel: string,
  bytes: number,
  key?: string,
): Promise<Socket> {
  // The hub may close the connection of a refused body while it is still written.
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  const head = `{"channel":"${channel}","data":"`;
  const authorization = key === undefined ? '' : `Authorization: Bearer ${key}\r\n`;
  socket.write(
    `POST /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${contentType}\r\n${authorization}`,
  );
  socket.write(`Content-Length: ${head.length + bytes + 3}\r\n\r\n${head}`);
  await new Promise((resolve) => socket.write('x'.repeat(bytes), resolve));
  return socket;
}

function answerOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      text += String(bytes);
      if (/"code"|"id"/.test(text)) resolve(text);
    });
  });
}

function publishedBy(url: string): Promise<Response> {
  return fetch(`${url}/v1/channels/lobby/events`, { method: 'POST', body: 'x'.repeat(200_000) });
}

async function halfABody(port: number): Promise<Socket> {
  // The hub may close the connection of a refused body while it is still written.
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  socket.write('POST /v1/channels/a/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n');
  await new Promise((resolve) => socket.write('x'.repeat(700_000), resolve));
  return socket;
}

async function published(url: string): Promise<number> {
  const { status } = await fetch(`${url}/v1/channels/a/events`, { method: 'POST', body: 'x'.repeat(200_000) });
  return status;
}
