import { describe, expect, test, vi } from 'vitest';
import { identifiedHub, type IdentifiedHub } from './testing/identified-hub.ts';

const RULES = [
  { pattern: 'news.>', subscribe: ['anyone'] },
  { pattern: 'inbox.{user}', subscribe: ['owner'] },
  { pattern: 'staff', subscribe: [{ claim: 'role', value: 'staff' }] },
  { pattern: 'chat.>', subscribe: ['users'], publish: ['users'] },
  { pattern: 'wall', subscribe: ['anyone'], publish: ['anyone'] },
  { pattern: 'log', subscribe: ['users'], history: ['anyone'] },
  { pattern: 'live', subscribe: ['users'], history: ['server'] },
];

const open = (settings: object = {}): Promise<IdentifiedHub> => identifiedHub({ rules: RULES, ...settings });

describe('when a standing ends', () => {
  test('an event stream is warned, told why, and ended; the next request is refused', async () => {
    const hub = await open();
    const token = hub.token('ann', 60);
    const stream = await hub.follow('channel=news.a', token);
    await stream.said('event: polycast.expiring\ndata: {"inMs":');
    expect(stream.text).not.toContain('polycast.closing');
    await stream.over();
    expect(stream.text).toMatch(/event: polycast\.closing\ndata: \{"code":"token_expired"\}\n\n$/);
    const again = await fetch(`${hub.url}/v1/events?channel=news.a&token=${token}`);
    expect([again.status, (await again.json()) as object]).toMatchObject([401, { code: 'token_expired' }]);
  });

  test('a WebSocket is warned, and closed with 4401', async () => {
    const hub = await open();
    const socket = hub.socket(`channel=news.a&token=${hub.token('ann', 60)}`);
    const { inMs } = await socket.got({ op: 'expiring' });
    // A quarter of its life, less than the thirty seconds by default.
    expect(inMs).toBeGreaterThan(0);
    expect(inMs).toBeLessThan(16_000);
    expect(await socket.ended()).toEqual({ code: 4401, reason: 'token_expired' });
  });

  test('a long poll is answered early, with its cursor', async () => {
    const hub = await open();
    const token = hub.token('ann', 20);
    const from = performance.now();
    const answer = await fetch(`${hub.url}/v1/events?channel=news.a&wait=60&token=${token}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ events: [], cursor: expect.stringMatching(/^[0-9a-z-]{22}$/) as string });
    expect(performance.now() - from).toBeLessThan(1100);
    const again = await fetch(`${hub.url}/v1/events?channel=news.a&wait=60&token=${token}`);
    expect(again.status).toBe(401);
  });

  test('a WebSocket that renews it in time goes on', async () => {
    const hub = await open();
    const socket = hub.socket(`channel=news.a&token=${hub.token('ann', 40)}`);
    await socket.got({ op: 'expiring' });
    const answer = await socket.ask({ op: 'auth', token: hub.token('ann', 4000) });
    expect(answer).toMatchObject({ ok: true, channels: ['news.a'] });
    expect(answer['expiresInMs']).toBeGreaterThan(3_900_000);
    // Long after the first one has ended.
    await vi.waitFor(() => expect(socket.messages.filter(({ op }) => op === 'heartbeat').length).toBeGreaterThan(3), 5000);
    expect(socket.closed).toBeUndefined();
  });
});

describe('auth in mid-connection', () => {
  test('whoever came without credentials says who it is, and then subscribes', async () => {
    const hub = await open();
    const socket = hub.socket('');
    expect(await socket.ask({ op: 'subscribe', channels: ['inbox.ann'] })).toMatchObject({
      ok: false,
      error: { code: 'unauthorized' },
    });
    expect(await socket.ask({ op: 'subscribe', channels: ['@me'] })).toMatchObject({ error: { code: 'unauthorized' } });
    expect(await socket.ask({ op: 'auth', token: hub.token('ann') })).toMatchObject({ ok: true, channels: [] });
    expect(await socket.ask({ op: 'subscribe', channels: ['inbox.ann', '@me'] })).toMatchObject({
      ok: true,
      channels: ['inbox.ann', 'polycast.private.ann'],
    });
    await hub.publish('inbox.ann', 1);
    await hub.publish('polycast.private.ann', 2);
    await socket.got({ channel: 'polycast.private.ann' });
    expect(socket.events.map(({ data }) => data)).toEqual([1, 2]);
  });

  test('another user, or nothing valid, changes nothing', async () => {
    const hub = await open();
    const socket = hub.socket(`channel=inbox.ann&token=${hub.token('ann')}`);
    expect(await socket.ask({ op: 'auth', token: hub.token('bob') })).toMatchObject({ error: { code: 'forbidden' } });
    expect(await socket.ask({ op: 'auth', token: 'x' })).toMatchObject({ error: { code: 'unauthorized' } });
    expect(await socket.ask({ op: 'auth', token: hub.token('ann', -100) })).toMatchObject({
      error: { code: 'token_expired' },
    });
    await hub.publish('inbox.ann', 1);
    await socket.got({ channel: 'inbox.ann' });
  });

  test('channels that are no longer allowed are dropped, and named', async () => {
    const hub = await open();
    const socket = hub.socket(`channel=staff&channel=news.a&token=${hub.token('ann', 3600, { role: 'staff' })}`);
    expect(await socket.ask({ op: 'auth', token: hub.token('ann') })).toMatchObject({
      ok: true,
      channels: ['news.a'],
      dropped: ['staff'],
    });
    await hub.publish('staff', 1);
    await hub.publish('news.a', 2);
    await socket.got({ channel: 'news.a' });
    expect(socket.events.map(({ data }) => data)).toEqual([2]);
    expect(await socket.ask({ op: 'subscribe', channels: ['staff'] })).toMatchObject({ error: { code: 'forbidden' } });
  });
});

describe('a revocation', () => {
  test.each([
    ['user', { user: 'ann' }],
    ['token', { token: 'ann-1' }],
  ])('by %s ends what it means on all transports, and nothing else', async (_name, revocation) => {
    const hub = await open();
    const ann = hub.token('ann', 3600, { jti: 'ann-1' });
    const bob = hub.token('bob', 3600, { jti: 'bob-1' });
    const stream = await hub.follow('channel=news.a', ann);
    const socket = hub.socket(`channel=news.a&token=${ann}`);
    const poll = fetch(`${hub.url}/v1/events?channel=news.a&wait=60&token=${ann}`);
    const held = fetch(`${hub.url}/v1/channels/news.b?wait=60&token=${ann}`);
    const others = [await hub.follow('channel=news.a', bob), await hub.follow('channel=news.a')];
    const other = hub.socket(`channel=news.a&token=${bob}`);
    await other.got({ op: 'ready' });
    await socket.got({ op: 'ready' });
    await vi.waitFor(async () => expect(await sessions(hub, 'long_poll')).toBe(2));
    expect((await hub.administer('POST', '/v1/revocations', revocation)).status).toBeLessThan(300);
    await stream.over();
    expect(stream.text).toMatch(/event: polycast\.closing\ndata: \{"code":"unauthorized"\}\n\n$/);
    expect(await socket.ended()).toEqual({ code: 4401, reason: 'unauthorized' });
    expect((await poll).status).toBe(200);
    expect((await held).status).toBe(404);
    await hub.publish('news.a', 1);
    for (const each of others) await each.said('"data":1');
    await other.got({ channel: 'news.a' });
    expect((await fetch(`${hub.url}/v1/events?channel=news.a&token=${ann}`)).status).toBe(401);
  });

  test('by session ends that one alone', async () => {
    const hub = await open();
    const sockets = [hub.socket(`channel=news.a`), hub.socket(`channel=news.a&token=${hub.token('ann')}`)];
    const [{ session }, second] = (await Promise.all(sockets.map((socket) => socket.got({ op: 'ready' })))) as [
      { session: string },
      { session: string },
    ];
    expect(session).not.toBe(second.session);
    await hub.administer('POST', '/v1/revocations', { session: second.session });
    expect(await sockets[1]?.ended()).toMatchObject({ code: 4401 });
    await hub.publish('news.a', 1);
    await sockets[0]?.got({ channel: 'news.a' });
  });
});

describe('a client that publishes', () => {
  test('is named by the hub, and cannot name itself', async () => {
    const hub = await open();
    const stream = await hub.follow('channel=chat.a', hub.token('bob'));
    const socket = hub.socket(`token=${hub.token('ann')}`);
    const { session } = await socket.got({ op: 'ready' });
    expect(await socket.ask({ op: 'publish', channel: 'chat.a', data: 1, user: 'bob' })).toMatchObject({
      error: { code: 'invalid_event' },
    });
    expect(await socket.ask({ op: 'publish', channel: 'chat.a', data: 2 })).toMatchObject({ ok: true });
    expect((await post(hub, '/v1/events?client=tab-1', { channel: 'chat.a', data: 3 }, hub.token('ann'))).status).toBe(201);
    expect((await post(hub, '/v1/events', { channel: 'chat.a', data: 4, origin: 'x' }, hub.token('ann'))).status).toBe(400);
    expect((await post(hub, '/v1/events', { channel: 'chat.a', data: 5 })).status).toBe(401);
    await hub.publish('chat.a', 6);
    await stream.said('"data":6');
    expect(stream.events).toMatchObject([
      { user: 'ann', origin: session, data: 2 },
      { user: 'ann', origin: 'tab-1', data: 3 },
      { data: 6 },
    ]);
    expect(Object.keys(stream.events[0] as object)).toEqual(['id', 'channel', 'time', 'user', 'origin', 'data']);
    expect(Object.keys(stream.events[2] as object)).toEqual(['id', 'channel', 'time', 'data']);
  });

  test('has idempotency keys of its own', async () => {
    const hub = await open();
    const publish = async (token: string | undefined, data: number): Promise<{ id: string; code?: string }> =>
      (await (await post(hub, '/v1/events', { channel: 'wall', data, idempotencyKey: 'k' }, token)).json()) as { id: string };
    const ann = await publish(hub.token('ann'), 1);
    expect((await publish(hub.token('ann'), 1)).id).toBe(ann.id);
    expect(await publish(hub.token('ann'), 2)).toMatchObject({ code: 'idempotency_key_reused' });
    expect((await publish(hub.token('bob'), 1)).id).not.toBe(ann.id);
    expect((await publish(undefined, 1)).id).not.toBe(ann.id);
    const server = await (await hub.administer('POST', '/v1/events', { channel: 'wall', data: 7, idempotencyKey: 'k' })).json();
    expect(server).toMatchObject({ channel: 'wall' });
  });

  test('is held to the rate of its user and channel, and to that of its user', async () => {
    const hub = await identifiedHub(
      {
        rules: [{ pattern: 'chat.>', subscribe: ['users'], publish: ['anyone'], userPublishRatePerSecond: 1, userPublishBurst: 2 }],
        limits: { clientPublishRatePerSecond: 1, clientPublishBurst: 3 },
      },
      1,
    );
    const statuses = async (channels: readonly string[], token?: string): Promise<number[]> => {
      const found: number[] = [];
      for (const channel of channels) found.push((await post(hub, '/v1/events', { channel, data: 1 }, token)).status);
      return found;
    };
    expect(await statuses(['chat.a', 'chat.a', 'chat.a'], hub.token('ann'))).toEqual([201, 201, 429]);
    expect(await statuses(['chat.a', 'chat.b', 'chat.c', 'chat.d'], hub.token('bob'))).toEqual([201, 201, 201, 429]);
    expect(await statuses(['chat.a', 'chat.a', 'chat.a'])).toEqual([201, 201, 429]);
    const refused = await post(hub, '/v1/events', { channel: 'chat.a', data: 1 }, hub.token('ann'));
    expect([refused.headers.get('Retry-After'), await refused.json()]).toMatchObject(['1', { code: 'rate_limited' }]);
    for (let count = 0; count < 10; count++) await hub.publish('chat.a', count);
  });
});

describe('exclude=self', () => {
  test('leaves out what the same user has published as the same client, on each transport, also when it comes back', async () => {
    const hub = await open();
    const ann = hub.token('ann');
    const query = `channel=chat.a&exclude=self&client=tab-1&token=${ann}`;
    const stream = await hub.follow(query);
    const socket = hub.socket(query);
    const all = await hub.follow(`channel=chat.a`, ann);
    const { cursor } = (await socket.got({ op: 'ready' })) as { cursor: string };
    const long = fetch(`${hub.url}/v1/events?${query}&wait=60`);
    await vi.waitFor(async () => expect(await sessions(hub, 'long_poll')).toBe(1));
    await socket.ask({ op: 'publish', channel: 'chat.a', data: 'own' });
    await post(hub, '/v1/events?client=tab-1', { channel: 'chat.a', data: 'own' }, ann);
    // Another user cannot hide behind the same name.
    await post(hub, '/v1/events?client=tab-1', { channel: 'chat.a', data: 'eve' }, hub.token('eve'));
    await post(hub, '/v1/events?client=tab-2', { channel: 'chat.a', data: 'other tab' }, ann);
    await hub.publish('chat.a', 'server');
    const wanted = ['eve', 'other tab', 'server'];
    const data = (events: readonly Readonly<Record<string, unknown>>[]): unknown[] => events.map((event) => event['data']);
    await vi.waitFor(() => expect(data(stream.events)).toEqual(wanted));
    await vi.waitFor(() => expect(data(socket.events)).toEqual(wanted));
    await vi.waitFor(() => expect(data(all.events)).toEqual(['own', 'own', ...wanted]));
    expect(data(((await (await long).json()) as { events: [] }).events)).toEqual(['eve']);
    const back = await hub.follow(`${query}&after=${cursor}`);
    await vi.waitFor(() => expect(data(back.events)).toEqual(wanted));
    const poll = (await (await fetch(`${hub.url}/v1/events?${query}&after=${cursor}`)).json()) as { events: [] };
    expect(data(poll.events)).toEqual(wanted);
  });

  test('needs a name, but for a WebSocket, which has one', async () => {
    const hub = await open();
    const refused = await fetch(`${hub.url}/v1/events?channel=wall&exclude=self`);
    expect(await refused.json()).toMatchObject({ code: 'invalid_parameter', parameter: 'exclude' });
    const socket = hub.socket('channel=wall&exclude=self');
    await socket.ask({ op: 'publish', channel: 'wall', data: 1 });
    await hub.publish('wall', 2);
    await socket.got({ data: 2 });
    expect(socket.events).toHaveLength(1);
  });
});

test('exclude=self works without access control as well', async () => {
  const hub = await open({ access: 'loopback' });
  const query = 'channel=a&exclude=self&client=tab-1';
  const [socket, unnamed, stream] = [hub.socket(query), hub.socket('channel=a&exclude=self'), await hub.follow(query)];
  for (const each of [socket, unnamed]) await each.got({ op: 'ready' });
  await socket.ask({ op: 'publish', channel: 'a', data: 1 });
  await unnamed.ask({ op: 'publish', channel: 'a', data: 2 });
  await post(hub, '/v1/events?exclude=self&client=tab-1', { channel: 'a', data: 3 });
  await post(hub, '/v1/events', { channel: 'a', data: 4 });
  await vi.waitFor(() => expect(stream.events).toMatchObject([{ data: 2 }, { data: 4 }]));
  await vi.waitFor(() => expect(socket.events).toMatchObject([{ data: 2 }, { data: 4 }]));
  await vi.waitFor(() => expect(unnamed.events).toMatchObject([{ data: 1, origin: 'tab-1' }, { data: 3 }, { data: 4 }]));
});

describe('looking back', () => {
  test('is for those who may subscribe', async () => {
    const hub = await open();
    expect((await fetch(`${hub.url}/v1/channels/log/history`)).status).toBe(401);
    expect((await fetch(`${hub.url}/v1/channels/log/history?token=${hub.token('ann')}`)).status).toBe(200);
  });

  test('is asked for in whatever way it is named', async () => {
    const hub = await open();
    const token = hub.token('ann');
    expect((await fetch(`${hub.url}/v1/events?channel=live&token=${token}`)).status).toBe(200);
    for (const query of ['after=earliest', 'history=5'])
      expect((await fetch(`${hub.url}/v1/events?channel=live&token=${token}&${query}`)).status).toBe(403);
    const stream = await hub.follow('channel=live', token, { 'Last-Event-ID': 'earliest' });
    expect(stream.status).toBe(403);
    const socket = hub.socket(`token=${token}`);
    for (const members of [{ after: 'earliest' }, { history: 5 }])
      expect(await socket.ask({ op: 'subscribe', channels: ['live'], ...members })).toMatchObject({
        error: { code: 'forbidden' },
      });
  });
});

describe('connections', () => {
  test('are bounded by user, also for who says it later', async () => {
    const hub = await open({ limits: { connectionsPerUserMax: 2 } });
    const query = `channel=news.a&token=${hub.token('ann')}`;
    const streams = [hub.socket(query), hub.socket(query)];
    for (const each of streams) await each.got({ op: 'ready' });
    const refused = await hub.follow('channel=news.a', hub.token('ann'));
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '5']);
    await refused.over();
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'too_many_connections', limit: 2 });
    expect(await hub.socket(query).refusal()).toBe(429);
    expect((await fetch(`${hub.url}/v1/events?${query}&wait=5`)).status).toBe(429);
    expect((await fetch(`${hub.url}/v1/events?${query}`)).status).toBe(200);
    const later = hub.socket('');
    expect(await later.ask({ op: 'auth', token: hub.token('ann') })).toMatchObject({ error: { code: 'too_many_connections' } });
    const other = hub.socket(`channel=news.a&token=${hub.token('bob')}`);
    await other.got({ op: 'ready' });
    streams[0]?.close();
    await vi.waitFor(async () => expect((await hub.follow('channel=news.a', hub.token('ann'))).status).toBe(200));
  });

  test('are bounded by address, which trusted proxies tell', async () => {
    const hub = await open({ limits: { connectionsPerAddressMax: 1 }, trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] });
    const from = (forwarded: string): Promise<number> =>
      hub.follow('channel=news.a', undefined, { 'X-Forwarded-For': forwarded }).then(({ status }) => status);
    expect(await from('192.0.2.1')).toBe(200);
    // What stands before the first address that no trusted proxy has is the client's to make up.
    expect(await from('198.51.100.9, 192.0.2.1, 10.1.1.1')).toBe(429);
    expect(await from('192.0.2.1, 192.0.2.2')).toBe(200);
    expect(await from('2001:db8::1')).toBe(200);
    expect(await from('2001:db8::2')).toBe(429);
    expect(await from('2001:db8:0:1::2')).toBe(200);
  });
});

function post(hub: IdentifiedHub, path: string, body: object, token?: string): Promise<Response> {
  return fetch(hub.url + path, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
}

async function sessions(hub: IdentifiedHub, transport: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(new RegExp(`^polycast_sessions\\{transport="${transport}"\\} (\\d+)`, 'm').exec(text)?.[1]);
}
