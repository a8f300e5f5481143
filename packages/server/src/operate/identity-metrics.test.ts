import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from '../testing/authenticated-hub.ts';

async function metric(hub: AuthenticatedHub, name: string): Promise<string | undefined> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line?.slice(name.length + 1);
}

test('accepted and refused requests, with tokens and with keys, are counted', async () => {
  const hub = await openAuthenticatedHub();
  const token = hub.token('ann');
  for (const shown of [token, token, hub.token('ann', -10), 'pck_nobodys', `${token}x`])
    await fetch(`${hub.url}/v1/channels/chat.a`, { headers: { Authorization: `Bearer ${shown}` } });
  expect(await metric(hub, 'polycast_token_checks_total{outcome="verified"}')).toBe('1');
  expect(await metric(hub, 'polycast_token_checks_total{outcome="cached"}')).toBe('1');
  expect(await metric(hub, 'polycast_token_checks_total{outcome="refused"}')).toBe('2');
  expect(await metric(hub, 'polycast_key_checks_total{outcome="refused"}')).toBe('1');
  expect(await metric(hub, 'polycast_key_checks_total{outcome="accepted"}')).toBe('0');
  await hub.administer('GET', '/v1/keys');
  expect(await metric(hub, 'polycast_key_checks_total{outcome="accepted"}')).toBe('1');
  expect(await metric(hub, 'polycast_keys')).toBe('1');
});

test('revocations and the sessions that they end are counted', async () => {
  const hub = await openAuthenticatedHub();
  const sockets = [hub.socket(`channel=chat.a&token=${hub.token('ann')}`), hub.socket(`token=${hub.token('ann')}`)];
  for (const socket of sockets) await socket.waitForMessage({ op: 'ready' });
  await hub.administer('POST', '/v1/users/ann/disconnect');
  await hub.administer('POST', '/v1/revocations', { token: 'nobodys' });
  expect(await metric(hub, 'polycast_revocations_total{kind="user"}')).toBe('1');
  expect(await metric(hub, 'polycast_revocations_total{kind="token"}')).toBe('1');
  expect(await metric(hub, 'polycast_revocations_total{kind="signer"}')).toBe('0');
  expect(await metric(hub, 'polycast_stored_revocations')).toBe('2');
  expect(await metric(hub, 'polycast_revoked_sessions_total')).toBe('2');
});

test("the age of an issuer's keys is a metric, +Inf before the first fetch", async () => {
  const issuer = createServer((_request, response) => response.end('{"keys":[]}')).listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  onTestFinished(() => void issuer.close());
  const { port } = issuer.address() as AddressInfo;
  const hub = await openAuthenticatedHub(
    {
      identity: {
        tokens: [
          { issuer: 'up', jwksUrl: `http://127.0.0.1:${port}/jwks` },
          { issuer: 'down', jwksUrl: 'http://127.0.0.1:9/jwks' },
        ],
      },
      outgoing: { allow: [`127.0.0.1:${port}`] },
    },
    1,
  );
  await vi.waitFor(async () => {
    expect(await metric(hub, 'polycast_jwks_fetches_total{outcome="fetched"}')).toBe('1');
    expect(await metric(hub, 'polycast_jwks_fetches_total{outcome="failed"}')).toBe('1');
  }, 5000);
  expect(Number(await metric(hub, 'polycast_jwks_age_seconds{issuer="up"}'))).toBeLessThan(60);
  expect(await metric(hub, 'polycast_jwks_age_seconds{issuer="down"}')).toBe('+Inf');
});
