import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, onTestFinished, test } from 'vitest';
import { createLab } from './lab.ts';
import { LabLogin } from './login.ts';
import type { Identifier } from '../identity/authority.ts';
import { createTokens } from '../identity/tokens/tokens.ts';
import type { Lab, LabActions } from './lab.ts';

const JSON_HEADERS = { 'content-type': 'application/json' };

test('the page has a policy that names the wires and allows nothing inline', async () => {
  const { ask, lab } = await open();
  const { status, headers, body } = await ask('GET', '/lab');
  expect(status).toBe(200);
  expect(body).toBe('<!doctype html>');
  expect(headers['content-type']).toBe('text/html; charset=utf-8');
  expect(headers['x-content-type-options']).toBe('nosniff');
  const policy = headers['content-security-policy'] ?? '';
  expect(policy).not.toContain('unsafe');
  expect(policy).toMatch(/connect-src 'self' ws:\/\/127\.0\.0\.1:\d+ /);
  for (const { name, port } of lab.lanes) {
    const address = `${name === 'websocket' ? 'ws' : 'http'}://127.0.0.1:${port}`;
    // The hub connects there, not the page.
    if (name === 'webhook') expect(policy).not.toContain(address);
    else expect(policy).toContain(address);
  }
});

test('hashed files may be cached forever; the page is revalidated, and answered with 304', async () => {
  const { ask } = await open();
  const script = await ask('GET', '/lab/assets/index-abc.js');
  expect(script.headers['cache-control']).toContain('immutable');
  const page = await ask('GET', '/lab');
  expect(page.headers['cache-control']).toBe('no-cache');
  const again = await ask('GET', '/lab', { 'if-none-match': String(page.headers.etag) });
  expect(again).toMatchObject({ status: 304, body: '' });
});

test.each([
  '/lab/../../secret.json',
  '/lab/%2e%2e/%2e%2e/secret.json',
  '/lab/..%2f..%2fsecret.json',
  '/lab//etc/passwd',
  '/lab/nothing.js',
  '/lab/assets',
  '/lab/\0.js',
])('a path that is not a built file receives 404: %s', async (path) => {
  const { ask } = await open();
  expect((await ask('GET', encodeURI(path).replaceAll('%25', '%'))).status).toBe(404);
});

test('a path outside of /lab is left to the hub', async () => {
  const { ask } = await open();
  expect((await ask('GET', '/labour')).status).toBe(418);
  expect((await ask('GET', '/v1/events')).status).toBe(418);
});

test('the configuration contains the ports of the lanes and the allowed actions', async () => {
  const { ask, lab } = await open({ restart: () => Promise.resolve() });
  expect(JSON.parse((await ask('GET', '/lab/api/config')).body)).toEqual({
    lanes: lab.lanes,
    actions: ['restart'],
    secret: expect.stringMatching(/^whsec_/) as string,
    people: [],
  });
});

test('one lane or all can be cut and healed, and an unknown lane cannot', async () => {
  const { ask } = await open();
  expect((await ask('POST', '/lab/api/lanes/sse/cut?for=1000', JSON_HEADERS)).status).toBe(204);
  expect((await ask('POST', '/lab/api/lanes/all/stall?for=0', JSON_HEADERS)).status).toBe(204);
  expect((await ask('POST', '/lab/api/lanes/webhook/failing', JSON_HEADERS)).status).toBe(204);
  expect((await ask('POST', '/lab/api/lanes/sse/burn', JSON_HEADERS)).status).toBe(404);
  expect((await ask('POST', '/lab/api/lanes/sse/failing', JSON_HEADERS)).status).toBe(404);
  expect((await ask('POST', '/lab/api/lanes/pigeon/cut', JSON_HEADERS)).status).toBe(404);
  expect((await ask('POST', '/lab/api/lanes/sse/cut?for=1e9', JSON_HEADERS)).status).toBe(400);
  expect((await ask('GET', '/lab/api/lanes/sse/cut')).status).toBe(405);
});

test('the webhook receiver accepts signed requests, fails on command, and reports what it received', async () => {
  const { ask, lab, stream } = await open();
  const untilRecorded = await stream('/lab/api/wire');
  const { secret } = JSON.parse((await ask('GET', '/lab/api/config')).body) as { secret: string };
  const port = lab.lanes.find(({ name }) => name === 'webhook')?.port;
  const post = async (sign: Webhook): Promise<number> => {
    const body = JSON.stringify({ id: 'a', channel: 'lab.orders.1', time: '', data: { step: 'oven' } });
    const headers = {
      'webhook-id': 'a',
      'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
      'webhook-signature': sign.sign('a', new Date(), body),
    };
    return (await fetch(`http://127.0.0.1:${port}/pizzas`, { method: 'POST', headers, body })).status;
  };
  expect(await post(new Webhook(`whsec_${Buffer.alloc(32).toString('base64')}`))).toBe(401);
  await ask('POST', '/lab/api/lanes/webhook/failing?for=60000', JSON_HEADERS);
  expect(await post(new Webhook(secret))).toBe(500);
  await ask('POST', '/lab/api/lanes/webhook/failing?for=0', JSON_HEADERS);
  expect(await post(new Webhook(secret))).toBe(204);
  await untilRecorded(/"kind":"received","lane":"webhook","channel":"lab.orders.1","data":{"step":"oven"}/);
});

test('a slow receiver answers late, and immediately when the delay is removed', async () => {
  const { ask, lab, stream } = await open();
  const untilRecorded = await stream('/lab/api/wire');
  const { secret } = JSON.parse((await ask('GET', '/lab/api/config')).body) as { secret: string };
  const port = lab.lanes.find(({ name }) => name === 'webhook')?.port;
  await ask('POST', '/lab/api/lanes/webhook/busy?for=60000', JSON_HEADERS);
  const body = '{"id":"a","channel":"a","time":"","data":1}';
  const headers = {
    'webhook-id': 'a',
    'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
    'webhook-signature': new Webhook(secret).sign('a', new Date(), body),
  };
  const answer = fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body });
  await untilRecorded(/"direction":"up"/);
  await ask('POST', '/lab/api/lanes/webhook/busy?for=0', JSON_HEADERS);
  expect((await answer).status).toBe(204);
});

test('the hub restarts once at a time, and the page is notified of its stop and start', async () => {
  const back = Promise.withResolvers<void>();
  const { ask, stream } = await open({ restart: () => back.promise });
  const untilRecorded = await stream('/lab/api/wire');
  expect((await ask('POST', '/lab/api/hub/restart', JSON_HEADERS)).status).toBe(204);
  await untilRecorded(/"begins"/);
  expect((await ask('POST', '/lab/api/hub/restart', JSON_HEADERS)).status).toBe(503);
  back.resolve();
  await untilRecorded(/"back"/);
  expect((await ask('POST', '/lab/api/hub/wipe', JSON_HEADERS)).status).toBe(404);
});

test('a failed restart is reported too', async () => {
  const { ask, stream } = await open({ wipe: () => Promise.reject(new Error('no')) });
  const untilRecorded = await stream('/lab/api/wire');
  await ask('POST', '/lab/api/hub/wipe', JSON_HEADERS);
  await untilRecorded(/"failed"/);
});

test('closing ends all open connections, and may be repeated', async () => {
  const { lab, stream } = await open();
  const untilRecorded = await stream('/lab/api/wire');
  await Promise.all([lab.close(), lab.close()]);
  await lab.close();
  await untilRecorded(/retry/);
});

test('other sites cannot reach it: by a form, with their origin, or by a name of their own', async () => {
  const { ask } = await open({ wipe: () => Promise.reject(new Error('must not be called')) });
  expect((await ask('POST', '/lab/api/hub/wipe', { 'content-type': 'text/plain' })).status).toBe(415);
  expect((await ask('POST', '/lab/api/hub/wipe', { ...JSON_HEADERS, origin: 'https://evil.example' })).status).toBe(
    403,
  );
  expect((await ask('GET', '/lab/api/config', { host: 'rebound.example' })).status).toBe(403);
});

test('a login as Ada receives a token that the hub accepts; other names receive none', async () => {
  const login = new LabLogin();
  const { ask } = await open({}, login);
  const { status, body } = await ask('POST', '/lab/api/login', JSON_HEADERS, '{"user":"ada"}');
  expect(status).toBe(200);
  const { token } = JSON.parse(body) as { token: string };
  const { issuer, ...settings } = login.issuer;
  const [identifier] = createTokens({ tokens: [{ issuer, ...settings }], ...CACHE }, PARTS).identifiers as [Identifier];
  expect(await identifier.identify({ ...NO_CREDENTIALS, token })).toMatchObject({ user: 'ada', info: { name: 'Ada' } });
  const [stranger] = createTokens({ tokens: [new LabLogin().issuer], ...CACHE }, PARTS).identifiers as [Identifier];
  expect(() => stranger.identify({ ...NO_CREDENTIALS, token })).toThrow('signature');
  expect((await ask('POST', '/lab/api/login', JSON_HEADERS, '{"user":"eve"}')).status).toBe(403);
  expect((await ask('POST', '/lab/api/login', JSON_HEADERS, '{')).status).toBe(400);
  expect((await ask('POST', '/lab/api/login', JSON_HEADERS, `"${'x'.repeat(2000)}"`)).status).toBe(413);
  expect((await ask('POST', '/lab/api/login', { 'content-type': 'text/plain' }, '{"user":"ada"}')).status).toBe(415);
  expect((await ask('GET', '/lab/api/login')).status).toBe(405);
});

test('with access rules, no login is possible', async () => {
  const { ask } = await open();
  expect((await ask('POST', '/lab/api/login', JSON_HEADERS, '{"user":"ada"}')).status).toBe(404);
});

const NO_CREDENTIALS = { cookie: () => undefined, header: () => undefined, origin: undefined, address: '' };
const CACHE = {
  tokensCachedMax: 10,
  jwksRefreshSeconds: 1,
  jwksKeptSeconds: 1,
  jwksCooldownSeconds: 1,
  jwksTimeoutMs: 1,
};
const PARTS = {
  clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  fetchDocument: () => Promise.reject(new Error('must not be called')),
  logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  environment: {},
};

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'] & { readonly 'content-security-policy'?: string };
  readonly body: string;
}

interface Opened {
  readonly lab: Lab;
  ask(method: string, path: string, headers?: Record<string, string>, body?: string): Promise<Answer>;
  /** Opens a stream. The returned function waits until the pattern has arrived. */
  stream(path: string): Promise<(pattern: RegExp) => Promise<void>>;
}

async function open(actions: LabActions = {}, login?: LabLogin): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'lab-'));
  mkdirSync(join(folder, 'pages/lab/assets'), { recursive: true });
  writeFileSync(join(folder, 'secret.json'), '{}');
  writeFileSync(join(folder, 'pages/lab/index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'pages/lab/assets/index-abc.js'), '');
  const lab = await createLab({ hubPort: () => 1, folder: join(folder, 'pages'), actions, login });
  const server = createServer((incoming, response) => {
    if (!lab.handle(incoming, response)) response.writeHead(418).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await lab.close();
    rmSync(folder, { recursive: true });
  });
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body = '',
  ): Promise<IncomingMessage> => {
    const asking = request({ port, host: '127.0.0.1', method, path, headers }).end(body);
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    return response;
  };
  return {
    lab,
    async ask(method, path, headers, body) {
      const response = await send(method, path, headers, body);
      return {
        status: response.statusCode,
        headers: response.headers,
        body: Buffer.concat(await response.toArray()).toString(),
      };
    },
    async stream(path) {
      const response = await send('GET', path);
      let received = '';
      response.setEncoding('utf8').on('data', (text: string) => (received += text));
      return async (pattern) => {
        while (!pattern.test(received)) await once(response, 'data');
      };
    },
  };
}
