import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, type Reply } from '../kit/http.ts';
import { CALLERS, type Caller } from './callers.ts';
import { requestWithKey } from './kit/keys.ts';
import { startWorld, UNUSED_ADDRESS, type TestWorld } from './kit/world.ts';
import { ROUTES } from './rows.ts';

/** The routes that accept a portal link. A new one has to be added here on purpose. */
const ACCEPTED = new Set([
  'POST /v1/subscriptions',
  'GET /v1/subscriptions',
  'GET /v1/subscriptions/{id}',
  'PATCH /v1/subscriptions/{id}',
  'DELETE /v1/subscriptions/{id}',
  'POST /v1/subscriptions/{id}/pause',
  'POST /v1/subscriptions/{id}/resume',
  'POST /v1/subscriptions/{id}/test',
  'POST /v1/subscriptions/{id}/rotate-secret',
  'POST /v1/subscriptions/{id}/replay',
  'GET /v1/subscriptions/{id}/replays',
  'GET /v1/subscriptions/{id}/attempts',
  'GET /v1/subscriptions/{id}/events/{event}',
  'GET /v1/subscriptions/{id}/dead-letters',
  'POST /v1/subscriptions/{id}/dead-letters/retry',
  'DELETE /v1/subscriptions/{id}/dead-letters',
  'GET /v1/subscriptions/{id}/dead-letters/{event}',
  'POST /v1/subscriptions/{id}/dead-letters/{event}/retry',
  'DELETE /v1/subscriptions/{id}/dead-letters/{event}',
  'GET /v1/event-types',
  'GET /v1/portal',
]);

const ADMIN = CALLERS.find(({ name }) => name === 'admin') as Caller;
let world: TestWorld;
/** The token of a link for all channels. So nothing but its owner separates it from others. */
let token = '';

beforeAll(async () => {
  world = await startWorld();
  const body = { owner: 'acme', channels: ['deliveries.>', 'open.>'] };
  const admin = world.issuer.key('admin');
  const { url } = await requestWithKey<{ url: string }>(world.hub.url, admin, 'POST', '/v1/portal-links', body);
  token = url.split('#token=')[1] ?? '';
});

afterAll(() => world?.hub.end('SIGTERM'));

function ask(method: string, path: string, body?: unknown): Promise<Reply> {
  const isForm = body instanceof URLSearchParams;
  return call(world.hub.url + path, {
    method,
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'Content-Type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }),
    },
    ...(body !== undefined && { body: isForm ? body.toString() : JSON.stringify(body) }),
  });
}

test('no route but those of the portal accepts a portal link, and none shows another owner', async () => {
  for (const [route, { permission, request }] of Object.entries(ROUTES)) {
    if (permission === 'nothing') continue;
    const [method = '', template = ''] = route.split(' ');
    const prepared = request === undefined ? undefined : await request(world, ADMIN);
    const path = prepared?.path ?? `${template.replace('{channel}', 'open.news')}?channel=open.news`;
    const published = method === 'POST' ? { channel: 'open.news', data: 'tried' } : undefined;
    const reply = await ask(method, path, prepared?.body ?? published);
    if (!ACCEPTED.has(route)) {
      expect([route, reply.status]).toEqual([route, 401]);
      continue;
    }
    // The subscriptions of the rows belong to nobody, or to others.
    if (template.includes('{id}')) expect([route, reply.status]).toEqual([route, 404]);
    else if (route === 'GET /v1/subscriptions') expect(reply.json()).toEqual({ subscriptions: [], next: null });
    else if (route === 'POST /v1/subscriptions') expect([route, reply.status]).toEqual([route, 403]);
    else expect([route, reply.status]).toEqual([route, 200]);
    expect(reply.text).not.toContain(UNUSED_ADDRESS);
  }
});

test('no way to read or publish accepts a portal link: in the query, in a stream, in a message of a socket', async () => {
  for (const path of [
    `/v1/events?channel=open.news&token=${token}`,
    `/v1/events?channel=deliveries.try&history=5&token=${token}`,
    '/v1/events?channel=deliveries.try&history=5',
    '/v1/channels/open.news/history',
  ])
    expect([path, (await ask('GET', path)).status]).toEqual([path, 401]);
  const socket = new WebSocket(`${world.hub.url.replace('http', 'ws')}/v1/events`);
  const refused = await new Promise<string>((resolve) => {
    socket.addEventListener('open', () => socket.send(JSON.stringify({ op: 'auth', ref: 1, token })));
    socket.addEventListener('message', ({ data }) => String(data).includes('"ref":1') && resolve(String(data)));
    socket.addEventListener('close', ({ code }) => resolve(String(code)));
  });
  expect(refused).toMatch(/unauthorized|44\d\d/);
  socket.close();
});
