import { connect as connectHttp2 } from 'node:http2';
import { describe, expect, onTestFinished, test } from 'vitest';
import { selfSigned } from '../kit/certificates.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { rawSocket, UPGRADE_HEADERS } from '../kit/wire/raw-socket.ts';

/**
 * Every page in a browser of this machine can reach a hub that is open to this machine only. It
 * needs a host name that resolves to the loopback (DNS rebinding). So the hub answers requests for
 * loopback names only (PROTOCOL.md section 13.7).
 */
const FOREIGN = [
  'evil.example',
  '127.0.0.1.evil.example',
  'localhost.evil.example',
  '0.0.0.0',
  '[::]',
  'localhost.',
  '2130706433',
  'hub',
];
const OURS = ['localhost', '127.0.0.1', 'LOCALHOST', '127.1.2.3', '[::1]', 'hub.example'];

const JSON_BODY = '{"channel":"a","data":1}';
const REQUESTS: readonly (readonly [string, string, string])[] = [
  ['a poll', 'GET /v1/events?channel=a', ''],
  ['a stream', 'GET /v1/events?channel=a', 'Accept: text/event-stream\r\n'],
  ['a WebSocket', 'GET /v1/events?channel=a', UPGRADE_HEADERS],
  ['a publish', 'POST /v1/events', `Content-Type: application/json\r\nContent-Length: ${JSON_BODY.length}\r\n`],
  ['subscriptions', 'GET /v1/subscriptions', ''],
  ['metrics', 'GET /metrics', ''],
  ['health', 'GET /healthz', ''],
  ['the description', 'GET /openapi.json', ''],
  ['a question of a page', 'OPTIONS /v1/events', 'Access-Control-Request-Method: POST\r\n'],
  ['a missing path', 'GET /nothing', ''],
];

async function start(more: object = {}): Promise<HubProcess> {
  const hub = await startHubProcess({ config: { access: 'loopback', publicUrl: 'https://hub.example', ...more } });
  onTestFinished(async () => void (await hub.end('SIGKILL')));
  return hub;
}

/**
 * Returns the status of the answer.
 * @param target of the request line, if that is not a path
 */
async function statusOf(hub: HubProcess, line: string, headers: string, name: string): Promise<number> {
  const socket = await rawSocket(hub.url);
  const body = headers.includes('Content-Length') ? JSON_BODY : '';
  const origin = `Origin: http://${name}:${hub.port}\r\n`;
  socket.send(`${line} HTTP/1.1\r\nHost: ${name}:${hub.port}\r\n${origin}${headers}\r\n${body}`);
  await socket.receives(/^HTTP\/1\.1 \d{3}[^]*?\r\n\r\n/);
  socket.destroy();
  return socket.status;
}

test('a host name that is not a loopback name is refused, for every path', async () => {
  const hub = await start();
  for (const [what, line, headers] of REQUESTS) {
    for (const name of FOREIGN)
      expect([what, name, await statusOf(hub, line, headers, name)]).toEqual([what, name, 421]);
    for (const name of OURS)
      expect([what, name, (await statusOf(hub, line, headers, name)) === 421]).toEqual([what, name, false]);
  }
});

test('an absolute request target with such a name is refused, whatever Host contains', async () => {
  const hub = await start();
  for (const [what, line, headers] of REQUESTS) {
    const [method, path] = line.split(' ') as [string, string];
    const status = await statusOf(hub, `${method} http://evil.example${path}`, headers, 'localhost');
    expect([what, status]).toEqual([what, 421]);
  }
});

describe('over HTTP/2', () => {
  test.each([
    ['evil.example', 421],
    ['localhost', 200],
  ])(':authority %s receives %i', async (name, expected) => {
    const hub = await start({ tls: selfSigned() });
    const session = connectHttp2(hub.url, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    const stream = session.request({ ':path': '/v1/events?channel=a', ':authority': `${name}:${hub.port}` });
    const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
    expect(status).toBe(expected);
  });
});

test('a changing request from another site without an Origin is refused', async () => {
  const hub = await start();
  for (const site of ['cross-site', 'same-site']) {
    const headers = `Sec-Fetch-Site: ${site}\r\nContent-Type: application/json\r\nContent-Length: ${JSON_BODY.length}\r\n`;
    const socket = await rawSocket(hub.url);
    socket.send(`POST /v1/events HTTP/1.1\r\nHost: localhost:${hub.port}\r\n${headers}\r\n${JSON_BODY}`);
    await socket.receives(/"code":"origin_not_allowed"/);
    socket.destroy();
  }
});
