import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Follower, TRANSPORTS } from './kit/followers.ts';
import { temporaryFolder } from './kit/folders.ts';
import { startHubProcess, type HubProcess } from './kit/hub-process.ts';
import { call, publish } from './kit/http.ts';
import { rawSocket } from './kit/raw-socket.ts';
import { until } from './kit/wait.ts';

let hub: HubProcess;
beforeAll(async () => {
  const folder = temporaryFolder('tls');
  const [certificateFile, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const options = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
  ];
  execFileSync('openssl', ['req', '-x509', ...options, '-keyout', keyFile, '-out', certificateFile], {
    stdio: 'ignore',
  });
  hub = await startHubProcess({
    config: { tls: { certificateFile, keyFile }, delivery: { heartbeatMs: 1000 }, drain: { timeMs: 200 } },
  });
});
afterAll(() => hub.end('SIGKILL'));

test('plain HTTP on the same port is turned away and harms nobody', async () => {
  const raw = await rawSocket(hub.url);
  raw.send('GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n');
  await raw.closes();
  expect(raw.text).not.toContain('200 OK');
  expect((await call(`${hub.url}/healthz`)).status).toBe(200);
});

test('https and wss carry all transports, and the drain', async () => {
  expect(hub.url).toMatch(/^https:/);
  const followers = TRANSPORTS.map(
    (transport) => new Follower(hub.url, transport, { channels: ['a'], after: 'earliest' }),
  );
  const ids: string[] = [];
  for (let n = 0; n < 50; n++)
    ids.push((await publish(hub.url, { channel: 'a', data: { n, text: 'x'.repeat(2000 * n) } })).id);
  await until('all has come', () => followers.every(({ received }) => received.length === ids.length));
  for (const { received, complaints } of followers)
    expect([received.map(({ id }) => id), complaints]).toEqual([ids, []]);
  expect(await hub.end('SIGTERM')).toBe(0);
  const [, , sse, webSocket] = followers;
  expect(sse?.endings[0]).toBe('draining');
  expect(webSocket?.endings.slice(0, 2)).toEqual(['draining', '1001']);
  await Promise.all(followers.map((follower) => follower.stop()));
});
