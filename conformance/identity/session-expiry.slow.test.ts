import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { selfSigned } from '../kit/certificates.ts';
import { Http2Client } from '../kit/wire/http2-client.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';
import { requestWithKey, firstKey } from './kit/keys.ts';
import { ISSUER, signToken } from './kit/tokens.ts';

const SECRET = 'a secret of thirty-two bytes or more';
/**
 * PROTOCOL.md section 13.4 allows a second; the rest is for a busy machine. Without the expiry the
 * connections last for 25 seconds or more.
 */
const REVOKED_WITHIN_MS = 10_000;

async function start(more: Readonly<Record<string, unknown>> = {}): Promise<HubProcess> {
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      rules: [{ pattern: 'news', subscribe: ['users'] }],
      identity: {
        // A hub that pauses for longer ends the session without a warning.
        expiringSeconds: 6,
        tokens: [
          { issuer: ISSUER, audience: 'polycast', leewaySeconds: 0, keys: [{ algorithm: 'HS256', secret: SECRET }] },
        ],
      },
      ...more,
    },
  });
  onTestFinished(async () => void (await hub.end('SIGKILL')));
  return hub;
}

test('over HTTP/2 a stream receives the warning and the end as over HTTP/1.1, and its connection stays open', async () => {
  // At each heartbeat the hub makes up for the time by which its timers are late.
  const hub = await start({ tls: selfSigned(), delivery: { heartbeatMs: 1000 } });
  const client = new Http2Client(hub.url);
  onTestFinished(() => client.close());
  const bearer = (user: string, claims = {}): Record<string, string> => ({
    authorization: `Bearer ${signToken(SECRET, user, claims)}`,
  });
  // The warning comes at the earliest in the last quarter of the session.
  const soon = { exp: Math.floor(Date.now() / 1000) + 26 };
  const expiring = client.listen('/v1/events?channel=news', bearer('ann', soon));
  const revoked = client.listen('/v1/events?channel=news', bearer('bob'));
  const waiting = client.ask('/v1/events?channel=news&wait=60', bearer('bob'));
  const other = client.listen('/v1/events?channel=news', bearer('eve'));
  await Promise.all([expiring, revoked, other].map((stream) => stream.receives('polycast.ready')));
  const admin = { authorization: `Bearer ${await firstKey(hub)}`, 'content-type': 'application/json' };
  const fromMs = performance.now();
  expect((await client.ask('/v1/revocations', admin, JSON.stringify({ user: 'bob' }))).status).toBe(201);
  await until('the stream ends', () => revoked.ended);
  expect((await waiting).status).toBe(200);
  expect(performance.now() - fromMs).toBeLessThan(REVOKED_WITHIN_MS);
  expect(revoked.text).toMatch(/event: polycast\.closing\ndata: \{"code":"unauthorized"\}\n\n$/);
  await expiring.receives('event: polycast.expiring\n');
  await until('the stream ends', () => expiring.ended);
  expect(expiring.text).toMatch(/event: polycast\.closing\ndata: \{"code":"token_expired"\}\n\n$/);
  expect((await client.ask('/v1/events?channel=news', bearer('ann', soon))).status).toBe(401);
  expect((await client.ask('/v1/events', admin, '{"channel":"news","data":1}')).status).toBe(201);
  await other.receives('"data":1');
  expect(client.closed).toBe(false);
});

test('a client that reads nothing is disconnected at its expiry, before the write timeout', async () => {
  const hub = await start();
  const key = await firstKey(hub);
  const socket = connect(hub.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.write(
    `GET /v1/events?channel=news HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${signToken(SECRET, 'ann')}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  for (let count = 0; count < 60; count++)
    await requestWithKey(hub.url, key, 'POST', '/v1/events', { channel: 'news', data: 'x'.repeat(200_000) });
  expect(await sessionsOf(hub)).toBe(1);
  const fromMs = performance.now();
  await requestWithKey(hub.url, key, 'POST', '/v1/revocations', { user: 'ann' });
  await until('it is gone', async () => (await sessionsOf(hub)) === 0);
  expect(performance.now() - fromMs).toBeLessThan(REVOKED_WITHIN_MS);
});

async function sessionsOf({ url }: HubProcess): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^polycast_sessions\{transport="sse"\} (\d+)/m.exec(text)?.[1]);
}
