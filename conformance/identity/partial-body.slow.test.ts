import { beforeAll, describe, expect, test } from 'vitest';
import { call } from '../kit/http.ts';
import { rawSocket, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';
import { CALLERS, type Caller } from './callers.ts';
import { requestWithKey, createKey } from './kit/keys.ts';
import { startWorld, type TestWorld } from './kit/world.ts';
import { ROUTES, type PreparedRequest } from './rows.ts';

/**
 * Credentials that end during a request: the client sends half a body, its credentials end, it
 * sends the rest. The hub must not perform the request. The routes are read from the hub, so a new
 * route is tested here too, or fails without a row.
 */
let world: TestWorld;
let routes: readonly string[];

const ADMIN = CALLERS.find(({ name }) => name === 'admin') as Caller;
const ALL = { publish: ['>'], subscribe: ['>'], subscriptions: ['>'], users: ['>'], admin: ['>'] };
const CHANNEL = 'half.a.body';

beforeAll(async () => {
  world = await startWorld();
  const description = (await (await fetch(`${world.hub.url}/openapi.json`)).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  routes = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
});

/**
 * No key is checked, so no permission can end: a callback confirms, a source signs,
 * or the body has the key.
 */
const ASKS_NOTHING = new Set(['POST /v1/websub', 'POST /v1/ingest/{source}', 'POST /v1/console/session']);
/** Answered without reading a body. */
const READS_NO_BODY = new Set([
  'DELETE /v1/keys/{id}',
  'DELETE /v1/subscriptions/{id}',
  'DELETE /v1/subscriptions/{id}/dead-letters',
  'DELETE /v1/subscriptions/{id}/dead-letters/{event}',
  'DELETE /v1/hooks/{id}',
  'DELETE /v1/sessions/{session}',
  'DELETE /v1/console/session',
  'DELETE /v1/events/{id}',
  'DELETE /v1/channels/{channel}',
  'DELETE /v1/users/{user}/data',
]);

/** Requests of routes that the rows test in other ways, or without a body. */
const BODIES: Readonly<Record<string, PreparedRequest>> = {
  'POST /v1/events': { path: '/v1/events', body: { channel: CHANNEL, data: 1 } },
  'POST /v1/channels/{channel}/events': { path: `/v1/channels/${CHANNEL}/events`, body: { any: 'data' } },
  'DELETE /v1/hooks': { path: '/v1/hooks', body: { target_url: 'http://127.0.0.1:9/none' } },
};

/** The ways in which credentials end, and the answers. */
const ENDINGS: Readonly<
  Record<string, { end(key: string): Promise<unknown>; expires?: () => string; code: string; status: number }>
> = {
  'the key is revoked': {
    end: (key) => admin('DELETE', `/v1/keys/${idOf(key)}`),
    code: 'unauthorized',
    status: 401,
  },
  'the key is given other scopes': {
    end: (key) => admin('PATCH', `/v1/keys/${idOf(key)}`, { scopes: { publish: ['elsewhere'] } }),
    code: 'unauthorized',
    status: 401,
  },
  'the key expires': {
    // A busy machine needs some seconds to begin all requests, which are prepared before.
    expires: () => new Date(Date.now() + 10_000).toISOString(),
    end: (key) =>
      until('the key expires', async () => {
        const headers = { Authorization: `Bearer ${key}` };
        return (await call(`${world.hub.url}/v1/event-types`, { headers })).status === 401;
      }),
    code: 'token_expired',
    status: 401,
  },
};

describe.each(Object.entries(ENDINGS))('%s', (_how, { end, expires, code, status }) => {
  test('in the middle of a body: no route performs the request', async () => {
    const prepared = await Promise.all(bodied().map(prepare));
    const key = await createKey(
      world.hub.url,
      world.issuer.key('admin'),
      'to end',
      ALL,
      expires && { expires: expires() },
    );
    const keysBefore = await namesOfKeys();
    const begun = await Promise.all(prepared.map((request) => begin(request, key)));
    await end(key);
    const answers = await Promise.all(begun.map(finish));
    expect(answers).toEqual(begun.map(({ route }) => ({ route, status, code })));
    expect(await namesOfKeys()).toEqual(keysBefore);
    expect(await published()).toEqual([]);
  });
});

describe.each([
  ['an array', 'application/json', JSON.stringify([{ channel: CHANNEL, data: 1 }])],
  ['lines', 'application/x-ndjson', `{"channel":"${CHANNEL}","data":1}\n`],
  ['a CloudEvent', 'application/cloudevents+json', cloudEvent()],
  ['CloudEvents', 'application/cloudevents-batch+json', `[${cloudEvent()}]`],
  ['a CloudEvent in binary mode', 'text/plain', 'text'],
])('publishing by %s', (what, contentType, body) => {
  test('is refused when the key is revoked before its last byte', async () => {
    const key = await createKey(world.hub.url, world.issuer.key('admin'), 'to end', ALL);
    const more = what.endsWith('binary mode')
      ? `ce-specversion: 1.0\r\nce-id: b\r\nce-source: /half\r\nce-type: tried\r\nce-channel: ${CHANNEL}\r\n`
      : '';
    const { socket, rest } = await send('POST', '/v1/events', key, contentType, body, more);
    await admin('DELETE', `/v1/keys/${idOf(key)}`);
    socket.send(rest);
    await socket.receives(/"code":"unauthorized"/);
    socket.destroy();
    expect(await published()).toEqual([]);
  });
});

function bodied(): readonly string[] {
  return routes.filter((route) => !route.startsWith('GET ') && !ASKS_NOTHING.has(route) && !READS_NO_BODY.has(route));
}

interface Prepared {
  readonly route: string;
  readonly path: string;
  readonly body: string;
}

/** What the request needs, such as a subscription, exists afterwards. */
async function prepare(route: string): Promise<Prepared> {
  const asked = BODIES[route] ?? (await ROUTES[route]?.request?.(world, ADMIN));
  if (asked === undefined) throw new Error(`${route} has no row that says how it is asked for`);
  return { route, path: asked.path, body: JSON.stringify(asked.body ?? {}) };
}

interface Begun {
  readonly route: string;
  readonly socket: RawSocket;
  readonly rest: string;
}

/** Sends all but the last byte, and waits until the hub handles the request. */
async function begin({ route, path, body }: Prepared, key: string): Promise<Begun> {
  const [method = ''] = route.split(' ');
  return { route, ...(await send(method, path, key, 'application/json', body)) };
}

async function send(
  method: string,
  path: string,
  key: string,
  contentType: string,
  body: string,
  more = '',
): Promise<Omit<Begun, 'route'>> {
  const socket = await rawSocket(world.hub.url);
  socket.send(
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nContent-Type: ${contentType}\r\n` +
      `${more}Content-Length: ${Buffer.byteLength(body)}\r\nExpect: 100-continue\r\n\r\n${body.slice(0, -1)}`,
  );
  // Emitted in the turn in which the request is handled.
  await socket.receives(/^HTTP\/1\.1 100 /);
  return { socket, rest: body.slice(-1) };
}

async function finish({
  route,
  socket,
  rest,
}: Begun): Promise<{ readonly route: string; readonly status: number; readonly code: string | undefined }> {
  socket.send(rest);
  const [, status] = await socket.receives(/^HTTP\/1\.1 100 [^]*?\r\n\r\nHTTP\/1\.1 (\d{3})[^]*?\r\n\r\n[^]/);
  const { code } = socket;
  socket.destroy();
  return { route, status: Number(status), code };
}

async function admin(method: string, path: string, body?: object): Promise<unknown> {
  return requestWithKey(world.hub.url, world.issuer.key('admin'), method, path, body);
}

async function namesOfKeys(): Promise<readonly string[]> {
  const { keys } = (await admin('GET', '/v1/keys')) as { readonly keys: readonly { readonly name: string }[] };
  return keys.map(({ name }) => name).filter((name) => name !== 'to try' && name !== 'to end');
}

async function published(): Promise<readonly unknown[]> {
  const { events } = (await admin('GET', `/v1/channels/${CHANNEL}/history`)) as { readonly events: readonly unknown[] };
  return events;
}

function idOf(key: string): string {
  return key.split('_')[1] as string;
}

function cloudEvent(): string {
  return JSON.stringify({ specversion: '1.0', type: 'tried', source: '/half', id: 'a', channel: CHANNEL, data: 1 });
}
