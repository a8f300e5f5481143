import { describe, expect, test, vi } from 'vitest';
import { openAuthenticatedHub, publishAs, sessionCount } from '../testing/authenticated-hub.ts';

describe('a client that publishes', () => {
  test('is named by the hub, and cannot choose a name', async () => {
    const hub = await openAuthenticatedHub();
    const stream = await hub.follow('channel=chat.a', hub.token('bob'));
    const socket = hub.socket(`token=${hub.token('ann')}`);
    const { session } = await socket.waitForMessage({ op: 'ready' });
    expect(await socket.request({ op: 'publish', channel: 'chat.a', data: 1, user: 'bob' })).toMatchObject({
      error: { code: 'invalid_event' },
    });
    expect(await socket.request({ op: 'publish', channel: 'chat.a', data: 2 })).toMatchObject({ ok: true });
    expect(
      (await publishAs(hub, '/v1/events?client=tab-1', { channel: 'chat.a', data: 3 }, hub.token('ann'))).status,
    ).toBe(201);
    expect(
      (await publishAs(hub, '/v1/events', { channel: 'chat.a', data: 4, origin: 'x' }, hub.token('ann'))).status,
    ).toBe(400);
    expect((await publishAs(hub, '/v1/events', { channel: 'chat.a', data: 5 })).status).toBe(401);
    await hub.publish('chat.a', 6);
    await stream.waitForText('"data":6');
    expect(stream.events).toMatchObject([
      { user: 'ann', origin: session, data: 2 },
      { user: 'ann', origin: 'tab-1', data: 3 },
      { data: 6 },
    ]);
    expect(Object.keys(stream.events[0] as object)).toEqual(['id', 'channel', 'time', 'user', 'origin', 'data']);
    expect(Object.keys(stream.events[2] as object)).toEqual(['id', 'channel', 'time', 'data']);
  });

  test('creates no channels beyond its share, and leaves the rest to servers', async () => {
    const hub = await openAuthenticatedHub({
      limits: { channelsMax: 2000, clientChannelsPercent: 10, clientPublishRatePerSecond: null },
    });
    const publish = async (channel: string, headers: object = {}): Promise<number> => {
      const response = await fetch(`${hub.url}/v1/channels/${channel}/events`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${hub.token('ann')}`, 'Content-Type': 'application/json', ...headers },
        body: '1',
      });
      await response.text();
      return response.status;
    };
    // The hub counts channels now and then, so a client may begin some more than its share.
    let begunCount = 0;
    while ((await publish(`chat.${begunCount}`)) === 201) begunCount++;
    expect(begunCount).toBeGreaterThanOrEqual(200);
    expect(begunCount).toBeLessThan(1990);
    expect(await publish('chat.new')).toBe(503);
    expect(await publish('chat.new', { 'If-None-Match': '*' })).toBe(503);
    expect(await publish('chat.new', { 'If-Match': '*' })).toBe(412);
    // Existing channels take more events.
    expect(await publish('chat.0')).toBe(201);
    for (let number = 0; number < 5; number++) await hub.publish(`orders.${number}`, 1);
    const many = Array.from({ length: 2000 }, (_, number) => ({ channel: `orders.more.${number}`, data: 1 }));
    expect(await (await hub.administer('POST', '/v1/events', many)).text()).toContain('channel_limit');
    expect((await hub.administer('POST', '/v1/events', { channel: 'orders.0', data: 1 })).status).toBe(201);
  });

  test('has idempotency keys of its own', async () => {
    const hub = await openAuthenticatedHub();
    const publish = async (token: string | undefined, data: number): Promise<{ id: string; code?: string }> =>
      (await (await publishAs(hub, '/v1/events', { channel: 'wall', data, idempotencyKey: 'k' }, token)).json()) as {
        id: string;
      };
    const ann = await publish(hub.token('ann'), 1);
    expect((await publish(hub.token('ann'), 1)).id).toBe(ann.id);
    expect(await publish(hub.token('ann'), 2)).toMatchObject({ code: 'idempotency_key_reused' });
    expect((await publish(hub.token('bob'), 1)).id).not.toBe(ann.id);
    expect((await publish(undefined, 1)).id).not.toBe(ann.id);
    const server = await (
      await hub.administer('POST', '/v1/events', { channel: 'wall', data: 7, idempotencyKey: 'k' })
    ).json();
    expect(server).toMatchObject({ channel: 'wall' });
  });

  test('is limited by the rate of its user and channel, and by that of its user', async () => {
    const hub = await openAuthenticatedHub(
      {
        rules: [
          {
            pattern: 'chat.>',
            subscribe: ['users'],
            publish: ['anyone'],
            userPublishRatePerSecond: 1,
            userPublishBurst: 2,
          },
        ],
        limits: { clientPublishRatePerSecond: 1, clientPublishBurst: 3 },
      },
      // The clock runs slowly, so that the requests take no noticeable time: a second of the hub
      // takes twenty.
      0.05,
    );
    const statuses = async (channels: readonly string[], token?: string): Promise<number[]> => {
      const found: number[] = [];
      for (const channel of channels)
        found.push((await publishAs(hub, '/v1/events', { channel, data: 1 }, token)).status);
      return found;
    };
    expect(await statuses(['chat.a', 'chat.a', 'chat.a'], hub.token('ann'))).toEqual([201, 201, 429]);
    expect(await statuses(['chat.a', 'chat.b', 'chat.c', 'chat.d'], hub.token('bob'))).toEqual([201, 201, 201, 429]);
    expect(await statuses(['chat.a', 'chat.a', 'chat.a'])).toEqual([201, 201, 429]);
    const refused = await publishAs(hub, '/v1/events', { channel: 'chat.a', data: 1 }, hub.token('ann'));
    expect([refused.headers.get('Retry-After'), await refused.json()]).toMatchObject(['1', { code: 'rate_limited' }]);
    for (let count = 0; count < 10; count++) await hub.publish('chat.a', count);
  });
});

describe('exclude=self', () => {
  test('leaves out events of the same user and client, on each transport, also after a reconnect', async () => {
    // At a higher speed the wait of the long poll would end within a second.
    const hub = await openAuthenticatedHub({}, 1);
    const ann = hub.token('ann');
    const query = `channel=chat.a&exclude=self&client=tab-1&token=${ann}`;
    const stream = await hub.follow(query);
    const socket = hub.socket(query);
    const all = await hub.follow(`channel=chat.a`, ann);
    const { cursor } = (await socket.waitForMessage({ op: 'ready' })) as { cursor: string };
    const long = fetch(`${hub.url}/v1/events?${query}&wait=60`);
    await vi.waitFor(async () => expect(await sessionCount(hub, 'long-poll')).toBe(1));
    await socket.request({ op: 'publish', channel: 'chat.a', data: 'own' });
    await publishAs(hub, '/v1/events?client=tab-1', { channel: 'chat.a', data: 'own' }, ann);
    // Another user cannot use the same name to hide.
    await publishAs(hub, '/v1/events?client=tab-1', { channel: 'chat.a', data: 'eve' }, hub.token('eve'));
    await publishAs(hub, '/v1/events?client=tab-2', { channel: 'chat.a', data: 'other tab' }, ann);
    await hub.publish('chat.a', 'server');
    const wanted = ['eve', 'other tab', 'server'];
    const data = (events: readonly Readonly<Record<string, unknown>>[]): unknown[] =>
      events.map((event) => event['data']);
    await vi.waitFor(() => expect(data(stream.events)).toEqual(wanted));
    await vi.waitFor(() => expect(data(socket.events)).toEqual(wanted));
    await vi.waitFor(() => expect(data(all.events)).toEqual(['own', 'own', ...wanted]));
    expect(data(((await (await long).json()) as { events: [] }).events)).toEqual(['eve']);
    const back = await hub.follow(`${query}&after=${cursor}`);
    await vi.waitFor(() => expect(data(back.events)).toEqual(wanted));
    const poll = (await (await fetch(`${hub.url}/v1/events?${query}&after=${cursor}`)).json()) as { events: [] };
    expect(data(poll.events)).toEqual(wanted);
  });

  test('needs a client name, except on a WebSocket, which has one', async () => {
    const hub = await openAuthenticatedHub();
    const refused = await fetch(`${hub.url}/v1/events?channel=wall&exclude=self`);
    expect(await refused.json()).toMatchObject({ code: 'invalid_parameter', parameter: 'exclude' });
    const socket = hub.socket('channel=wall&exclude=self');
    await socket.request({ op: 'publish', channel: 'wall', data: 1 });
    await hub.publish('wall', 2);
    await socket.waitForMessage({ data: 2 });
    expect(socket.events).toHaveLength(1);
  });
});

test('exclude=self works without access control as well', async () => {
  const hub = await openAuthenticatedHub({ access: 'loopback' });
  const query = 'channel=a&exclude=self&client=tab-1';
  const [socket, unnamed, stream] = [hub.socket(query), hub.socket('channel=a&exclude=self'), await hub.follow(query)];
  for (const each of [socket, unnamed]) await each.waitForMessage({ op: 'ready' });
  await socket.request({ op: 'publish', channel: 'a', data: 1 });
  await unnamed.request({ op: 'publish', channel: 'a', data: 2 });
  await publishAs(hub, '/v1/events?exclude=self&client=tab-1', { channel: 'a', data: 3 });
  await publishAs(hub, '/v1/events', { channel: 'a', data: 4 });
  await vi.waitFor(() => expect(stream.events).toMatchObject([{ data: 2 }, { data: 4 }]));
  await vi.waitFor(() => expect(socket.events).toMatchObject([{ data: 2 }, { data: 4 }]));
  await vi.waitFor(() =>
    expect(unnamed.events).toMatchObject([{ data: 1, origin: 'tab-1' }, { data: 3 }, { data: 4 }]),
  );
});
