import { sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { parseConfig } from '../../config/parse.ts';
import { startHub, type Hub } from '../../main.ts';
import { openAuthenticatedHub, sessionCount } from '../../testing/authenticated-hub.ts';
import { ecdsa, jwkOf, PAIRS, pem, tokenOf } from './testing.ts';

const es = ecdsa(PAIRS.ES256.privateKey);
const KEYS = [{ algorithm: 'ES256', publicKey: pem(PAIRS.ES256.publicKey) }];

function token(claims: object = {}, header: object = {}): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return tokenOf({ alg: 'ES256', ...header }, { sub: 'ann', iat: nowSeconds, exp: nowSeconds + 60, ...claims }, es);
}

async function hubWith(identity: object, more: object = {}): Promise<Hub> {
  const hub = await startHub(
    parseConfig({
      listen: '127.0.0.1:0',
      data: ':memory:',
      logging: { level: 'silent' },
      rules: [{ pattern: 'news', subscribe: 'users' }],
      identity,
      ...more,
    }),
  );
  onTestFinished(() => hub.close());
  return hub;
}

async function poll(
  hub: Pick<Hub, 'url'>,
  bearer: string | undefined,
  channel = 'news',
): Promise<{ status: number; code?: string; retryAfter: string | null }> {
  const headers = bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
  const answer = await fetch(`${hub.url}/v1/events?channel=${channel}`, { headers });
  const body = (await answer.json()) as { code?: string };
  return {
    status: answer.status,
    ...(body.code === undefined ? {} : { code: body.code }),
    retryAfter: answer.headers.get('retry-after'),
  };
}

async function firstMessage(url: string, options: object = {}): Promise<{ op?: string }> {
  const socket = new WebSocket(url, options);
  onTestFinished(() => socket.terminate());
  const [data] = (await once(socket, 'message')) as [Buffer];
  return JSON.parse(data.toString()) as { op?: string };
}

describe('a hub with tokens accepts users with one', () => {
  test('as a bearer, as token=, and in the configured cookie, on every transport', async () => {
    const hub = await hubWith({ tokens: [{ keys: KEYS }], tokenCookie: 'session' });
    const address = `${hub.url}/v1/events?channel=news`;
    const ways: [query: string, headers: Record<string, string>][] = [
      ['', { Authorization: `Bearer ${token()}` }],
      [`&token=${token()}`, {}],
      ['', { Cookie: `other=1; session=${token()}` }],
    ];
    for (const [query, headers] of ways) {
      expect((await fetch(address + query, { headers })).status).toBe(200);
      const stream = await fetch(address + query, { headers: { ...headers, Accept: 'text/event-stream' } });
      expect(stream.headers.get('content-type')).toContain('text/event-stream');
      await stream.body?.cancel();
      expect(await firstMessage(address.replace('http', 'ws') + query, { headers })).toMatchObject({ op: 'ready' });
    }
    expect(await poll(hub, undefined)).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(await poll(hub, token({ exp: 1000 }))).toMatchObject({ status: 401, code: 'token_expired' });
    expect(await poll(hub, token().slice(0, -5))).toMatchObject({ status: 401, code: 'unauthorized' });
  });

  test('and lets them read the channels of the token beyond the rules, and @me', async () => {
    const hub = await hubWith({ tokens: [{ keys: KEYS }] });
    const granted = token({ polycast: { subscribe: ['orders.7'], publish: ['chat'] } });
    expect((await poll(hub, granted, 'orders.7')).status).toBe(200);
    expect(await poll(hub, granted, 'orders.8')).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await poll(hub, token(), 'orders.7')).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await poll(hub, token(), '@me')).status).toBe(200);
    const publish = (channel: string): Promise<Response> =>
      fetch(`${hub.url}/v1/channels/${channel}/events`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${granted}` },
        body: 'hello',
      });
    expect((await publish('chat')).status).toBe(201);
    expect((await publish('news')).status).toBe(403);
  });
});

/** An issuer on this machine. */
async function issuer(listener: RequestListener): Promise<{ readonly url: string; readonly port: number }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/jwks`, port };
}

const SET = JSON.stringify({ keys: [jwkOf(PAIRS.ES256.publicKey, 'a')] });

describe('keys by URL', () => {
  test('are fetched from allowed destinations, and an issuer that was down is used once it is up', async () => {
    let isDown = true;
    const { url, port } = await issuer((_request, response) =>
      isDown ? response.writeHead(500).end() : response.end(SET),
    );
    const hub = await hubWith(
      { tokens: [{ jwksUrl: url }], jwksCooldownSeconds: 1 },
      { outgoing: { allow: [`127.0.0.1:${port}`] } },
    );
    const refused = await poll(hub, token({}, { kid: 'a' }));
    expect(refused).toMatchObject({ status: 503, code: 'identity_unavailable', retryAfter: '1' });
    isDown = false;
    await expect.poll(async () => (await poll(hub, token({}, { kid: 'a' }))).status).toBe(200);
    isDown = true;
    expect((await poll(hub, token({ sub: 'bob' }, { kid: 'a' }))).status).toBe(200);
  });

  test.each<[what: string, listener: RequestListener]>([
    ['hangs', () => undefined],
    ['answers 404', (_request, response) => response.writeHead(404).end(SET)],
    ['sends elsewhere', (_request, response) => response.writeHead(302, { Location: '/other' }).end(SET)],
    [
      'sends a gigabyte',
      (_request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
        };
        response.on('drain', more);
        more();
      },
    ],
    [
      'has a key that anybody can make',
      (_request, response) => response.end(JSON.stringify({ keys: [{ kty: 'RSA', n: 'AQ', e: 'AQ', kid: 'a' }] })),
    ],
    [
      'has a secret',
      (_request, response) => response.end(JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA', kid: 'a' }] })),
    ],
  ])('of an issuer that %s let no user in, and delay no other request', async (_what, listener) => {
    const { url, port } = await issuer(listener);
    const hub = await hubWith(
      { tokens: [{ issuer: 'hostile', jwksUrl: url }, { keys: KEYS }], jwksTimeoutMs: 200 },
      { outgoing: { allow: [`127.0.0.1:${port}`] } },
    );
    const [hostile, own] = await Promise.all([poll(hub, token({ iss: 'hostile' }, { kid: 'a' })), poll(hub, token())]);
    expect([401, 503]).toContain(hostile.status);
    expect(own.status).toBe(200);
  });

  test.each([
    'http://169.254.169.254/jwks',
    'https://127.0.0.1/jwks',
    'http://localhost/jwks',
    'https://[::ffff:10.0.0.1]/',
  ])('are not fetched from %s', async (jwksUrl) => {
    const hub = await hubWith({ tokens: [{ jwksUrl }] });
    expect(await poll(hub, token())).toMatchObject({ status: 503, code: 'identity_unavailable' });
  });
});

describe('a key that its issuer withdraws', () => {
  const ed = (signed: string): Buffer => sign(null, Buffer.from(signed), PAIRS.EdDSA.privateKey);

  test('ends the sessions of its tokens, on every transport, without a request; others continue', async () => {
    let keys = [jwkOf(PAIRS.ES256.publicKey, 'old'), jwkOf(PAIRS.EdDSA.publicKey, 'new')];
    const { url, port } = await issuer((_request, response) => response.end(JSON.stringify({ keys })));
    const hub = await openAuthenticatedHub({
      rules: [{ pattern: 'news', subscribe: 'users' }],
      identity: { tokens: [{ jwksUrl: url }], jwksRefreshSeconds: 10, jwksCooldownSeconds: 1 },
      outgoing: { allow: [`127.0.0.1:${port}`] },
    });
    const issuedSeconds = Math.floor(Date.now() / 1000);
    const claims = { sub: 'ann', iat: issuedSeconds, exp: issuedSeconds + 86_400 };
    const old = tokenOf({ alg: 'ES256', kid: 'old' }, claims, es);
    const fresh = tokenOf({ alg: 'EdDSA', kid: 'new' }, claims, ed);
    const stream = await hub.follow('channel=news', old);
    const socket = hub.socket(`channel=news&token=${old}`);
    const late = hub.socket('');
    expect(await late.request({ op: 'auth', token: old })).toMatchObject({ ok: true });
    const stays = [await hub.follow('channel=news', fresh), hub.socket(`channel=news&token=${fresh}`)] as const;
    await stays[1].waitForMessage({ op: 'ready' });
    await socket.waitForMessage({ op: 'ready' });
    const waiting = fetch(`${hub.url}/v1/events?channel=news&wait=60`, { headers: { Authorization: `Bearer ${old}` } });
    await expect.poll(() => sessionCount(hub, 'long-poll')).toBe(1);

    keys = keys.slice(1);
    await stream.waitForText('event: polycast.closing\ndata: {"code":"unauthorized"}');
    await stream.waitForEnd();
    expect(await socket.waitForClose()).toEqual({ code: 4401, reason: 'unauthorized' });
    expect(await late.waitForClose()).toEqual({ code: 4401, reason: 'unauthorized' });
    expect(await (await waiting).json()).toMatchObject({ events: [] });
    expect(await poll(hub, old)).toMatchObject({ status: 401, code: 'unauthorized' });

    await hub.publish('news', 'still here');
    await stays[0].waitForText('still here');
    await stays[1].waitForMessage({ data: 'still here' });
  });

  test('stays valid while its issuer is down, and is withdrawn when the issuer is up', async () => {
    let keys: object[] | undefined = [jwkOf(PAIRS.ES256.publicKey, 'a')];
    let asked = 0;
    const { url, port } = await issuer((_request, response) => {
      asked++;
      if (keys === undefined) response.writeHead(500).end();
      else response.end(JSON.stringify({ keys }));
    });
    const hub = await openAuthenticatedHub({
      rules: [{ pattern: 'news', subscribe: 'users' }],
      identity: { tokens: [{ jwksUrl: url }], jwksRefreshSeconds: 10, jwksCooldownSeconds: 1 },
      outgoing: { allow: [`127.0.0.1:${port}`] },
    });
    const issuedSeconds = Math.floor(Date.now() / 1000);
    const claims = { sub: 'ann', iat: issuedSeconds, exp: issuedSeconds + 86_400 };
    const stream = await hub.follow('channel=news', tokenOf({ alg: 'ES256', kid: 'a' }, claims, es));
    keys = undefined;
    const askedBefore = asked;
    await expect.poll(() => asked).toBeGreaterThan(askedBefore + 2);
    await hub.publish('news', 'through the outage');
    await stream.waitForText('through the outage');
    keys = [];
    await stream.waitForEnd();
    expect(stream.text).toContain('"code":"unauthorized"');
  });
});
