import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from '../../../testing/authenticated-hub.ts';

const EVENT_TYPES = [
  {
    name: 'order.created',
    description: 'Somebody has ordered.',
    channels: ['orders.>'],
    schema: { type: 'object', required: ['total'], properties: { total: { type: 'number' } } },
    sample: { total: 42 },
  },
  { name: 'order.paid', channels: ['orders.>'] },
];

interface Got {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/**
 * A client such as Zapier: it accepts every request, and confirms a verification only with a
 * special `answer`.
 */
async function client(answer: (got: Got, response: ServerResponse) => void = (_got, response) => response.end('{}')) {
  const got: Got[] = [];
  const state = { answer, got, url: '', port: 0 };
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const one = { method: request.method ?? '', headers: request.headers, body: Buffer.concat(pieces).toString() };
    got.push(one);
    state.answer(one, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  state.port = (server.address() as AddressInfo).port;
  state.url = `http://127.0.0.1:${state.port}/hooks/1`;
  return state;
}

async function hubFor(endpoint: { readonly port: number }, settings: object = {}): Promise<AuthenticatedHub> {
  const origin = `http://127.0.0.1:${endpoint.port}`;
  return openAuthenticatedHub(
    {
      eventTypes: EVENT_TYPES,
      outgoing: { allow: [`127.0.0.1:${endpoint.port}`] },
      subscriptions: { trustedEndpoints: [origin] },
      ...settings,
    },
    1,
  );
}

async function ask(hub: AuthenticatedHub, method: string, path: string, body?: unknown) {
  const answer = await hub.administer(method, path, body);
  const text = await answer.text();
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
  };
}

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(
    () => {
      if (!condition()) throw new Error('it has not come to that');
    },
    { interval: 5 },
  );

const publish = (hub: AuthenticatedHub, channel: string, type: string | undefined, data: unknown) =>
  ask(hub, 'POST', '/v1/events', { channel, data, ...(type !== undefined && { type }) });

describe('a name that is not a type of the catalogue', () => {
  it('is refused with the nearest ones, and creates no hook; the name of a channel creates one, as does `channels` alone', async () => {
    const endpoint = await client();
    const hub = await hubFor(endpoint);
    const create = (more: object) => ask(hub, 'POST', '/v1/hooks', { target_url: endpoint.url, ...more });
    for (const event of ['order.creatd', 'orders.created', ['order.paid', 'order.payed'], 'nothing.of.the.kind']) {
      const { status, body } = await create({ event });
      expect([status, body['code']], String(event)).toEqual([400, 'invalid_body']);
    }
    expect((await create({ event: 'order.creatd' })).body).toMatchObject({
      member: 'event',
      nearest: ['order.created'],
      detail: expect.stringContaining('Did you mean order.created?'),
    });
    expect((await ask(hub, 'GET', '/v1/hooks')).body).toEqual({ hooks: [] });
    expect((await create({ event: 'orders.>' })).body).toMatchObject({ channels: ['orders.>'] });
    expect((await create({ channels: ['news.local'] })).body).toMatchObject({
      event: 'news.local',
      channels: ['news.local'],
    });
    expect((await ask(hub, 'DELETE', '/v1/hooks', { target_url: endpoint.url, event: 'news.local' })).status).toBe(200);
  });
});

describe('REST Hooks', () => {
  it('subscribe an address to a type of events, and receive its data, signed', async () => {
    const zap = await client();
    const hub = await hubFor(zap);
    const made = await ask(hub, 'POST', '/v1/hooks', { target_url: zap.url, event: 'order.created' });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      target_url: zap.url,
      event: 'order.created',
      channels: ['orders.>'],
      format: 'data',
      state: 'active',
    });
    expect(made.location).toBe(`/v1/hooks/${made.body['id'] as string}`);
    // A trusted endpoint is not verified.
    expect(zap.got).toEqual([]);
    await publish(hub, 'orders.1', 'order.paid', { total: 1 });
    await publish(hub, 'elsewhere', 'order.created', { total: 2 });
    await publish(hub, 'orders.1', 'order.created', { total: 3 });
    await until(() => zap.got.length > 0);
    const [{ headers, body, method }] = zap.got as [Got];
    expect([method, body, headers['content-type']]).toEqual(['POST', '{"total":3}', 'application/json']);
    const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
    const key = Buffer.from((made.body['secret'] as string).slice('whsec_'.length), 'base64');
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  });

  it('may be for channels, in another format', async () => {
    const zap = await client();
    const hub = await hubFor(zap);
    const made = await ask(hub, 'POST', '/v1/hooks', { hookUrl: zap.url, event: 'news.>', format: 'event' });
    expect(made.body).toMatchObject({ event: 'news.>', channels: ['news.>'], format: 'event' });
    await publish(hub, 'news.world', undefined, 'hello');
    await until(() => zap.got.length > 0);
    expect(JSON.parse(zap.got[0]?.body ?? '')).toMatchObject({ channel: 'news.world', data: 'hello' });
  });

  it('are created once although requested twice, and the second answer has no secret', async () => {
    const zap = await client();
    const hub = await hubFor(zap);
    const body = { target_url: zap.url, event: 'order.created' };
    const [first, second] = [await ask(hub, 'POST', '/v1/hooks', body), await ask(hub, 'POST', '/v1/hooks', body)];
    expect([second.status, second.body['id'], second.body['secret']]).toEqual([200, first.body['id'], undefined]);
    const other = await ask(hub, 'POST', '/v1/hooks', { ...body, event: 'order.paid' });
    expect([other.status, other.body['id'] === first.body['id']]).toEqual([201, false]);
    expect((await ask(hub, 'GET', '/v1/hooks')).body['hooks']).toHaveLength(2);
  });

  it('are read, and deleted by their id, by their address, or by address and event', async () => {
    const zap = await client();
    const hub = await hubFor(zap);
    const make = async (body: object) =>
      (await ask(hub, 'POST', '/v1/hooks', { target_url: zap.url, ...body })).body['id'] as string;
    const [one, two] = [await make({ event: 'order.created' }), await make({ event: 'order.paid' })];
    const three = await make({ channels: ['news'] });
    expect((await ask(hub, 'GET', `/v1/hooks/${one}`)).body).toMatchObject({ id: one, event: 'order.created' });
    expect((await ask(hub, 'GET', `/v1/hooks/${one}`)).body).not.toHaveProperty('secret');
    expect(await ask(hub, 'DELETE', `/v1/hooks/${one}`)).toMatchObject({ status: 200, body: { removed: 1 } });
    expect((await ask(hub, 'GET', `/v1/hooks/${one}`)).status).toBe(404);
    expect((await ask(hub, 'DELETE', '/v1/hooks', { target_url: zap.url, event: 'order.paid' })).status).toBe(200);
    expect([
      (await ask(hub, 'GET', `/v1/hooks/${two}`)).status,
      (await ask(hub, 'GET', `/v1/hooks/${three}`)).status,
    ]).toEqual([404, 200]);
    expect((await ask(hub, 'DELETE', `/v1/hooks?target_url=${encodeURIComponent(zap.url)}`)).status).toBe(200);
    expect((await ask(hub, 'DELETE', '/v1/hooks', { target_url: zap.url })).status).toBe(404);
    expect((await ask(hub, 'GET', '/v1/hooks')).body).toEqual({ hooks: [] });
  });

  it('end when their address answers 410', async () => {
    const zap = await client((_got, response) => response.writeHead(410).end());
    const hub = await hubFor(zap);
    await ask(hub, 'POST', '/v1/hooks', { target_url: zap.url, event: 'order.created' });
    await publish(hub, 'orders.1', 'order.created', { total: 1 });
    await vi.waitFor(async () => expect((await ask(hub, 'GET', '/v1/hooks')).body).toEqual({ hooks: [] }), {
      timeout: 10_000,
    });
    // A client that subscribes again gets a new hook.
    zap.answer = (_got, response) => response.end();
    const again = await ask(hub, 'POST', '/v1/hooks', { target_url: zap.url, event: 'order.created' });
    expect(again.status).toBe(201);
  });

  it('do not include other kinds of subscriptions', async () => {
    const zap = await client();
    const hub = await hubFor(zap);
    const made = await ask(hub, 'POST', '/v1/subscriptions', { channels: ['a'], delivery: { kind: 'pull' } });
    const id = made.body['id'] as string;
    expect((await ask(hub, 'GET', `/v1/hooks/${id}`)).status).toBe(404);
    expect((await ask(hub, 'DELETE', `/v1/hooks/${id}`)).status).toBe(404);
    expect((await ask(hub, 'GET', `/v1/subscriptions/${id}`)).status).toBe(200);
  });

  it.each([
    [{}, 400, 'invalid_body'],
    [{ target_url: 'https://hooks.example/' }, 400, 'invalid_body'],
    [{ event: 'order.created' }, 400, 'invalid_body'],
    [{ target_url: 'no url', event: 'order.created' }, 400, 'invalid_body'],
    [{ target_url: 'https://hooks.example/', event: 'no channel' }, 400, 'invalid_body'],
    [{ target_url: 'https://hooks.example/', event: ['order.created', 'news'] }, 400, 'invalid_body'],
    [{ target_url: 'http://169.254.169.254/latest', event: 'order.created' }, 422, 'endpoint_refused'],
    [{ target_url: 'http://[::ffff:127.0.0.1]/', event: 'order.created' }, 422, 'endpoint_refused'],
    [[], 400, 'invalid_body'],
  ])('are refused: %j', async (body, status, code) => {
    const hub = await hubFor({ port: 9 });
    const answer = await ask(hub, 'POST', '/v1/hooks', body);
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect((await ask(hub, 'GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
  });
});

describe('the verification of REST Hooks', () => {
  const distrusting = { subscriptions: { trustedEndpoints: [] } };

  it('happens within the request: an endpoint that returns the header has the hook', async () => {
    const zap = await client(({ headers }, response) =>
      response.writeHead(200, { 'X-Hook-Secret': headers['x-hook-secret'] ?? '' }).end(),
    );
    const hub = await hubFor(zap, distrusting);
    const made = await ask(hub, 'POST', '/v1/hooks', { target_url: zap.url, event: 'order.created' });
    expect([made.status, made.body['state'], zap.got.length]).toEqual([201, 'active', 1]);
    expect(zap.got[0]?.headers['x-hook-secret']).toMatch(/.{16,}/);
    await publish(hub, 'orders.1', 'order.created', { total: 1 });
    await until(() => zap.got.length === 2);
  });

  it.each([
    ['answers without it', 'answer', (_got: Got, response: ServerResponse) => response.end()],
    [
      'answers with another',
      'answer',
      (_got: Got, response: ServerResponse) => response.writeHead(200, { 'X-Hook-Secret': 'x' }).end(),
    ],
    [
      'answers with it and an error',
      'refused_status',
      ({ headers }: Got, response: ServerResponse) =>
        response.writeHead(404, { 'X-Hook-Secret': headers['x-hook-secret'] ?? '' }).end(),
    ],
    [
      'sends it elsewhere',
      'redirected',
      ({ headers }: Got, response: ServerResponse) =>
        response.writeHead(307, { 'X-Hook-Secret': headers['x-hook-secret'] ?? '', Location: '/' }).end(),
    ],
    ['hangs up', 'connection', (_got: Got, response: ServerResponse) => response.destroy()],
  ])('an endpoint that %s has no hook', async (_what, category, answer) => {
    const zap = await client(answer as (got: Got, response: ServerResponse) => void);
    const hub = await hubFor(zap, distrusting);
    const made = await ask(hub, 'POST', '/v1/hooks', { target_url: zap.url, event: 'order.created' });
    expect([made.status, made.body['code'], made.body['category']]).toEqual([422, 'endpoint_refused', category]);
    expect((await ask(hub, 'GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
  });

  it('counts as a hook meanwhile: many at one time cannot exceed the limit', async () => {
    const held: (() => void)[] = [];
    const zap = await client(({ headers }, response) =>
      held.push(() => response.writeHead(200, { 'X-Hook-Secret': headers['x-hook-secret'] ?? '' }).end()),
    );
    const hub = await hubFor(zap, { subscriptions: { trustedEndpoints: [], subscriptionsMax: 2 } });
    let refused = 0;
    const asked = [1, 2, 3, 4, 5].map(async (number) => {
      const made = await ask(hub, 'POST', '/v1/hooks', { target_url: `${zap.url}/${number}`, event: 'order.created' });
      if (made.status !== 201) refused++;
      return made.status;
    });
    await until(() => held.length + refused === 5);
    for (const answer of held) answer();
    expect((await Promise.all(asked)).toSorted()).toEqual([201, 201, 503, 503, 503]);
    expect((await ask(hub, 'GET', '/v1/hooks')).body['hooks']).toHaveLength(2);
  });
});

describe('samples', () => {
  it('are those of the catalogue, or the newest events of a channel', async () => {
    const hub = await hubFor({ port: 9 });
    const samples = async (event: string) => (await ask(hub, 'GET', `/v1/hooks/samples?event=${event}`)).body;
    expect(await samples('order.created')).toEqual([{ total: 42 }]);
    expect(await samples('order.paid')).toEqual([]);
    for (const data of [1, 2, 3, 4]) await publish(hub, 'news.world', undefined, { data });
    expect(await samples('news.%3E')).toEqual([{ data: 4 }, { data: 3 }, { data: 2 }]);
    expect((await ask(hub, 'GET', '/v1/hooks/samples?event=no%20channel')).body['code']).toBe('invalid_parameter');
    expect((await ask(hub, 'GET', '/v1/hooks/samples')).body['code']).toBe('invalid_parameter');
  });

  it('are sent by a test of a subscription, for a type that has one', async () => {
    const zap = await client();
    const hub = await hubFor(zap);
    const { body } = await ask(hub, 'POST', '/v1/hooks', { target_url: zap.url, event: 'order.created' });
    const tried = await ask(hub, 'POST', `/v1/subscriptions/${body['id'] as string}/test`, { type: 'order.created' });
    expect(tried.body).toMatchObject({ outcome: 'delivered' });
    expect(zap.got[0]?.body).toBe('{"test":true,"total":42}');
  });
});

describe('event types', () => {
  it('are listed as configured', async () => {
    const hub = await hubFor({ port: 9 });
    expect((await ask(hub, 'GET', '/v1/event-types')).body).toEqual({
      eventTypes: [
        EVENT_TYPES[0],
        { name: 'order.paid', description: '', channels: ['orders.>'], schema: null, sample: null },
      ],
    });
  });

  it('are enforced for publishers where a rule sets it, for every kind of publish', async () => {
    const hub = await hubFor(
      { port: 9 },
      {
        rules: [
          { pattern: 'orders.>', eventTypeCheck: 'schema' },
          { pattern: 'strict.>', eventTypeCheck: 'known' },
        ],
      },
    );
    const code = async (channel: string, type: string | undefined, data: unknown) =>
      (await publish(hub, channel, type, data)).body['code'] as unknown;
    expect(await code('orders.1', 'order.created', { total: 1 })).toBeUndefined();
    expect(await code('orders.1', 'order.created', { total: '1' })).toBe('event_invalid');
    expect(await code('orders.1', 'anything', { total: '1' })).toBeUndefined();
    expect(await code('strict.1', 'anything', {})).toBe('event_invalid');
    expect(await code('strict.1', undefined, {})).toBe('event_invalid');
    expect(await code('free', 'order.created', {})).toBeUndefined();
    const batch = await ask(hub, 'POST', '/v1/events', [
      { channel: 'orders.1', type: 'order.created', data: { total: 1 } },
      { channel: 'orders.1', type: 'order.created', data: {} },
    ]);
    expect(batch.body).toMatchObject([{ channel: 'orders.1' }, { error: { code: 'event_invalid' } }]);
    const { body } = await publish(hub, 'orders.1', 'order.created', { total: '1' });
    expect(body).toMatchObject({ at: '/total', detail: 'data.total must be number.' });
    const raw = await fetch(`${hub.url}/v1/channels/orders.1/events`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${hub.firstKey as string}`,
        'Content-Type': 'application/octet-stream',
        'Polycast-Type': 'order.created',
      },
      body: 'bytes',
    });
    expect([raw.status, ((await raw.json()) as { code: string }).code]).toEqual([422, 'event_invalid']);
    const cloud = await fetch(`${hub.url}/v1/events`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${hub.firstKey as string}`,
        'Content-Type': 'application/cloudevents+json',
      },
      body: JSON.stringify({
        specversion: '1.0',
        id: '1',
        source: '/',
        subject: 'orders.1',
        type: 'order.created',
        data: {},
      }),
    });
    expect(cloud.status).toBe(422);
    const history = await ask(hub, 'GET', '/v1/channels/orders.1/history');
    expect(history.body['events']).toHaveLength(3);
  });
});
