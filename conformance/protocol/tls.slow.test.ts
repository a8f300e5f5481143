import { copyFileSync, writeFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { selfSigned } from '../kit/certificates.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { rawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

const files = selfSigned('before');
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess({
    config: { tls: { ...files, reloadIntervalMs: 200 }, delivery: { heartbeatMs: 1000 }, drain: { timeMs: 200 } },
  });
});
afterAll(() => hub.end('SIGKILL'));

test('plain HTTP on the same port is refused and affects no other connection', async () => {
  const raw = await rawSocket(hub.url);
  raw.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await raw.closes();
  expect(raw.text).not.toContain('200 OK');
  expect((await call(`${hub.url}/healthz`)).status).toBe(200);
});

test('SIGHUP loads a new certificate; an invalid one is refused; open connections stay open', async () => {
  const follower = new Follower(hub.url, 'sse', { channels: ['renewed'], after: 'earliest' });
  await until('it listens', () => follower.cursor !== 'earliest');
  const next = selfSigned('after');
  writeFileSync(files.keyFile, 'half of a k');
  hub.child.kill('SIGHUP');
  await until('it is refused', () => hub.log().includes('reload refused, nothing has changed'));
  await until('the watch sees it too', () => hub.log().includes('reload of the certificate failed'));
  expect(await nameOf(hub.url)).toBe('before');
  copyFileSync(next.certificateFile, files.certificateFile);
  copyFileSync(next.keyFile, files.keyFile);
  hub.child.kill('SIGHUP');
  await until('it is used', async () => (await nameOf(hub.url)) === 'after');
  const { text } = await call(`${hub.url}/metrics`);
  expect(text).toMatch(/^polycast_certificate_reloads_total\{outcome="reloaded"\} 1$/m);
  expect(text).toMatch(/^polycast_certificate_reloads_total\{outcome="failed"\} 1$/m);
  expect(Number(/^polycast_certificate_expiry_timestamp_seconds (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(
    Date.now() / 1000,
  );
  await publish(hub.url, { channel: 'renewed', data: 'still here' });
  await until('it is heard', () => follower.received.length === 1);
  expect(follower.endings).toEqual([]);
  await follower.stop();
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
  for (const { received, errors } of followers) expect([received.map(({ id }) => id), errors]).toEqual([ids, []]);
  expect(await hub.end('SIGTERM')).toBe(0);
  const endingsOf = (transport: (typeof TRANSPORTS)[number]): readonly string[] | undefined =>
    followers[TRANSPORTS.indexOf(transport)]?.endings;
  // The end of the process may be noticed before its last bytes.
  await until('the streams have ended', () =>
    (['sse', 'websocket'] as const).every((transport) => (endingsOf(transport)?.length ?? 0) >= 2),
  );
  expect(endingsOf('sse')?.[0]).toBe('draining');
  expect(endingsOf('websocket')?.slice(0, 2)).toEqual(['draining', '1001']);
  await Promise.all(followers.map((follower) => follower.stop()));
});

/** The name in the certificate of a new connection. */
function nameOf(url: string): Promise<unknown> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
