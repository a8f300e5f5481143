import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { openEndpoint, openSubscriptionHub, waitUntil } from '../../testing/subscription-hub.ts';

const PULL = { channels: ['orders.>'], delivery: { kind: 'pull' } };

describe('creating a subscription', () => {
  test('needs channels and a delivery; all other members have defaults', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const { status, body, headers } = await hub.ask('POST', '/v1/subscriptions', {
      channels: ['orders.>', 'orders.>'],
      delivery: { kind: 'webhook', url: endpoint.url },
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^sub_[0-9a-z]{16}$/),
      name: null,
      state: 'active',
      reason: 'created',
      since: expect.any(String),
      channels: ['orders.>'],
      types: null,
      filter: null,
      delivery: {
        kind: 'webhook',
        url: endpoint.url,
        dialect: 'standard',
        format: 'event',
        headers: {},
        batch: null,
        timeoutMs: 15_000,
        retryDelaysSeconds: [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
        secrets: [{ kind: 'hmac', expires: null }],
        secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      },
      ordering: 'per-channel',
      ratePerSecond: null,
      concurrencyMax: 16,
      description: '',
      metadata: {},
      expires: null,
      owner: null,
      createdBy: {},
      created: expect.any(String),
      changed: body['created'],
      cursor: expect.stringMatching(/^[0-9a-z]{10}-[0-9a-z]{11}$/),
      backlog: {
        inFlight: 0,
        failing: 0,
        waiting: 0,
        deadLetters: 0,
        lagMs: 0,
        lagEvents: 0,
        lagPositions: 0,
        nextAttempt: null,
      },
    });
    expect([headers.get('location'), headers.get('etag'), headers.get('cache-control')]).toEqual([
      `/v1/subscriptions/${String(body['id'])}`,
      '"1"',
      'no-store',
    ]);
  });

  test('accepts every member, and returns it', async () => {
    const hub = await openSubscriptionHub();
    const options = {
      channels: ['orders.*', 'invoices.>'],
      types: ['order.paid'],
      filter: { all: [{ greater: ['/data/total', 10] }, { not: { present: '/data/test' } }] },
      ordering: 'none',
      ratePerSecond: 50,
      concurrencyMax: 4,
      description: 'The warehouse',
      metadata: { customer: '42' },
      expires: '2099-01-01T00:00:00.000Z',
    };
    const delivery = {
      kind: 'webhook',
      url: 'http://127.0.0.1:9/hook?of=42',
      dialect: 'cloudevents',
      format: 'data',
      headers: { 'X-Tenant': '42', Authorization: 'Bearer of-mine', 'x-api-key': 'mine too' },
      batch: { countMax: 10, waitMs: 50 },
      timeoutMs: 2000,
      retryDelaysSeconds: [1, 2],
    };
    const created = await hub.create({ ...options, delivery });
    const { headers, ...rest } = delivery;
    expect(created).toMatchObject({ ...options, delivery: rest });
    const shown = await hub.ask('GET', `/v1/subscriptions/${String(created['id'])}`);
    expect(shown.headers.get('etag')).toBe('"1"');
    const { secret, ...without } = created['delivery'] as Record<string, unknown>;
    expect(secret).toBeDefined();
    expect(shown.body).toEqual({ ...created, delivery: without });
    expect(without['headers']).toEqual({ 'x-tenant': '…', authorization: '…', 'x-api-key': '…' });
    expect(headers).toBeDefined();
  });

  test('with a pull has leases in the place of requests', async () => {
    const hub = await openSubscriptionHub();
    expect(await hub.create({ ...PULL, delivery: { kind: 'pull', leaseSeconds: 5 } })).toMatchObject({
      state: 'active',
      concurrencyMax: 1000,
      delivery: { kind: 'pull', leaseSeconds: 5, deliveriesMax: 10 },
    });
  });

  test('begins with new events, with the earliest stored one, or after a cursor', async () => {
    const hub = await openSubscriptionHub();
    await hub.publish('elsewhere', 0);
    const first = await hub.publish('orders.1', 1);
    const second = await hub.publish('orders.1', 2);
    const cursorOf = async (start: string | undefined): Promise<unknown> =>
      (await hub.create({ ...PULL, ...(start !== undefined && { start }) }))['cursor'];
    expect(await cursorOf(undefined)).toBe(second);
    expect(await cursorOf('now')).toBe(second);
    expect(await cursorOf(first)).toBe(first);
    const earliest = (await cursorOf('earliest')) as string;
    expect(earliest < first).toBe(true);
    const junk = await hub.ask('POST', '/v1/subscriptions', { ...PULL, start: 'nonsense' });
    expect([junk.status, junk.body]).toEqual([
      400,
      expect.objectContaining({ code: 'invalid_cursor', parameter: 'start' }),
    ]);
  });

  test('after a cursor of a lost log begins with a gap, and then all stored events', async () => {
    const hub = await openSubscriptionHub();
    const first = await hub.publish('orders.1', 1);
    const old = '0000000000-00000000007';
    const ofAnother = {
      type: 'polycast.gap',
      data: { from: old, to: `${first.slice(0, 10)}-00000000000`, reason: 'epoch' },
    };
    const { id } = await hub.create({ ...PULL, start: old });
    const pull = async (): Promise<readonly { lease: string; event: object }[]> =>
      (await hub.ask('POST', `/v1/subscriptions/${String(id)}/pull`, {})).body['events'] as [];
    const [gap, ...others] = await pull();
    expect([gap, others]).toEqual([expect.objectContaining({ event: expect.objectContaining(ofAnother) }), []]);
    await hub.ask('POST', `/v1/subscriptions/${String(id)}/ack`, { leases: [gap?.lease] });
    expect(await pull()).toMatchObject([{ event: { id: first, data: 1 } }]);
  });

  test("a replay from such a cursor does the same; an invalid one is refused with the member's name", async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url } });
    await waitUntil(async () =>
      expect((await hub.ask('GET', `/v1/subscriptions/${String(id)}`)).body['state']).toBe('active'),
    );
    await hub.publish('a', 1);
    await waitUntil(() => expect(endpoint.received.some(({ body }) => body.includes('"data":1'))).toBe(true));
    const before = endpoint.received.length;
    const replay = (after: string): ReturnType<typeof hub.ask> =>
      hub.ask('POST', `/v1/subscriptions/${String(id)}/replay`, { after });
    expect((await replay('0000000000-00000000007')).status).toBe(202);
    await waitUntil(() => expect(endpoint.received).toHaveLength(before + 2));
    expect(endpoint.received.slice(before).map(({ body }) => JSON.parse(body) as unknown)).toMatchObject([
      { type: 'polycast.gap', data: { from: '0000000000-00000000007', reason: 'epoch' } },
      { data: 1 },
    ]);
    expect((await replay('nonsense')).body).toMatchObject({ code: 'invalid_cursor', parameter: 'after' });
  });

  test('twice with the same key and body creates one; its secret is not shown again', async () => {
    const hub = await openSubscriptionHub();
    const delivery = { kind: 'webhook', url: 'http://127.0.0.1:9/' };
    const key = { 'idempotency-key': 'mine' };
    const once = await hub.ask('POST', '/v1/subscriptions', { channels: ['a', 'b'], delivery }, key);
    const again = await hub.ask('POST', '/v1/subscriptions', { delivery, channels: ['a', 'b'] }, key);
    expect([once.status, again.status]).toEqual([201, 201]);
    expect([once.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ]);
    expect(again.body['id']).toBe(once.body['id']);
    expect([once.body['delivery'], again.body['delivery']]).toEqual([
      expect.objectContaining({ secret: expect.any(String) }),
      expect.not.objectContaining({ secret: expect.anything() }),
    ]);
    const other = await hub.ask('POST', '/v1/subscriptions', { channels: ['a'], delivery }, key);
    expect([other.status, other.body['code']]).toEqual([422, 'idempotency_key_reused']);
    expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toHaveLength(1);
  });

  test('beyond the limit is refused', async () => {
    const hub = await openSubscriptionHub({ subscriptions: { subscriptionsMax: 1 } });
    const { id } = await hub.create(PULL);
    const refused = await hub.ask('POST', '/v1/subscriptions', PULL);
    expect([refused.status, refused.body['code']]).toEqual([503, 'subscription_limit']);
    await hub.ask('DELETE', `/v1/subscriptions/${String(id)}`);
    expect((await hub.ask('POST', '/v1/subscriptions', PULL)).status).toBe(201);
  });

  test('is refused for a forbidden endpoint', async () => {
    const hub = await openSubscriptionHub();
    for (const url of ['http://10.0.0.1/', 'http://169.254.169.254/latest', 'http://[::ffff:10.0.0.1]/']) {
      const refused = await hub.ask('POST', '/v1/subscriptions', {
        channels: ['a'],
        delivery: { kind: 'webhook', url },
      });
      expect([url, refused.status, refused.body['code'], refused.body['category']]).toEqual([
        url,
        422,
        'endpoint_refused',
        'destination',
      ]);
    }
    expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
  });
});

describe('changing a subscription', () => {
  test('replaces the given members, and no others; null restores a default', async () => {
    const hub = await openSubscriptionHub();
    const created = await hub.create({
      channels: ['a'],
      types: ['x'],
      metadata: { one: '1' },
      concurrencyMax: 3,
      delivery: {
        kind: 'webhook',
        url: 'http://127.0.0.1:9/',
        timeoutMs: 1000,
        headers: { authorization: 'mine', a: 'b' },
      },
    });
    const path = `/v1/subscriptions/${String(created['id'])}`;
    const changed = await hub.ask('PATCH', path, {
      types: null,
      description: 'New',
      concurrencyMax: null,
      delivery: { timeoutMs: null, format: 'data', headers: { authorization: '…', c: 'd' } },
    });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({
      types: null,
      description: 'New',
      metadata: { one: '1' },
      concurrencyMax: 16,
      delivery: { timeoutMs: 15_000, format: 'data', dialect: 'standard', headers: { authorization: '…', c: '…' } },
    });
    expect((changed.body['delivery'] as { headers: object }).headers).not.toHaveProperty('a');
    const endpoint = await openEndpoint();
    await hub.ask('PATCH', path, { delivery: { url: endpoint.url, headers: { authorization: 'mine', c: 'd' } } });
    await hub.publish('a', 1, 'y');
    await waitUntil(() => expect(endpoint.received).toHaveLength(1));
    expect(endpoint.received[0]).toMatchObject({ headers: { authorization: 'mine', c: 'd' }, body: '1' });
  });

  test('applies to later events: channels, types and filter', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const { id } = await hub.create({
      channels: ['a'],
      delivery: { kind: 'webhook', url: endpoint.url, format: 'data' },
    });
    const bodies = (): string[] => endpoint.received.map(({ body }) => body);
    await hub.publish('a', 1);
    await waitUntil(() => expect(bodies()).toEqual(['1']));
    const changes = { channels: ['b'], types: ['t'], filter: { greater: ['/data', 10] } };
    expect((await hub.ask('PATCH', `/v1/subscriptions/${String(id)}`, changes)).status).toBe(200);
    await hub.publish('a', 2);
    await hub.publish('b', 11);
    await hub.publish('b', 9, 't');
    await hub.publish('b', 12, 't');
    await waitUntil(() => expect(bodies()).toEqual(['1', '12']));
  });

  test('is refused after a change by another caller', async () => {
    const hub = await openSubscriptionHub();
    const { id } = await hub.create(PULL);
    const path = `/v1/subscriptions/${String(id)}`;
    const patch = (description: string, etag: string): Promise<number> =>
      hub.ask('PATCH', path, { description }, { 'if-match': etag }).then(({ status }) => status);
    expect(await patch('one', '"1"')).toBe(200);
    expect(await patch('two', '"1"')).toBe(412);
    expect(await patch('three', '"gibberish"')).toBe(412);
    expect(await patch('four', '*')).toBe(200);
    const { body, headers } = await hub.ask('GET', path);
    expect([body['description'], headers.get('etag')]).toEqual(['four', '"3"']);
    expect(await patch('five', '"1", "3"')).toBe(200);
    expect(await patch('six', '"1", "3"')).toBe(412);
  });

  test.each(['DELETE', 'pause', 'resume', 'test', 'rotate-secret', 'replay'])(
    'its removal and other actions are refused as well: %s',
    async (action) => {
      const hub = await openSubscriptionHub();
      const { id } = await hub.create(PULL);
      const path = `/v1/subscriptions/${String(id)}`;
      const [method, target] = action === 'DELETE' ? [action, path] : ['POST', `${path}/${action}`];
      const refused = await hub.ask(method, target, undefined, { 'if-match': '"2"' });
      expect([refused.status, refused.body['code']]).toEqual([412, 'precondition_failed']);
      expect((await hub.ask('GET', path)).body).toMatchObject({ state: 'active' });
      expect((await hub.ask(method, target, undefined, { 'if-match': '"1"' })).status).not.toBe(412);
    },
  );

  test('pausing and resuming are no changes of its definition: neither the ETag nor `changed` moves', async () => {
    const hub = await openSubscriptionHub();
    const created = await hub.create(PULL);
    const path = `/v1/subscriptions/${String(created['id'])}`;
    for (const action of ['pause', 'resume', 'pause']) {
      const { headers, body } = await hub.ask('POST', `${path}/${action}`);
      expect([headers.get('etag'), body['changed']]).toEqual(['"1"', created['changed']]);
    }
    const { status, body } = await hub.ask('PATCH', path, { description: 'a' }, { 'if-match': '"1"' });
    expect([status, body['state']]).toEqual([200, 'paused']);
  });
});

describe('a list of subscriptions', () => {
  test('is returned in pages, by state and by channel', async () => {
    const hub = await openSubscriptionHub();
    const ids: string[] = [];
    for (const channels of [['a'], ['a.>'], ['b', 'a.*']])
      ids.push((await hub.create({ ...PULL, channels }))['id'] as string);
    await hub.ask('POST', `/v1/subscriptions/${ids[0]}/pause`);
    const list = async (query: string): Promise<readonly unknown[]> => {
      const { body } = await hub.ask('GET', `/v1/subscriptions?${query}`);
      return [(body['subscriptions'] as { id: string }[]).map(({ id }) => id), body['next']];
    };
    const sorted = ids.toSorted();
    expect(await list('')).toEqual([sorted, null]);
    expect(await list('limit=2')).toEqual([sorted.slice(0, 2), sorted[1]]);
    expect(await list(`limit=2&after=${sorted[1]}`)).toEqual([sorted.slice(2), null]);
    expect(await list('state=paused')).toEqual([[ids[0]], null]);
    expect(await list('channel=a.b')).toEqual([[ids[1], ids[2]].toSorted(), null]);
    expect(await list('channel=c')).toEqual([[], null]);
    expect(await list('key=Ab3dEf6hIj9l')).toEqual([[], null]);
  });

  test.each(['limit=0', 'limit=101', 'limit=x', 'state=sleeping', 'unknown=1', 'limit=1&limit=2'])(
    '%s is refused',
    async (query) => {
      const hub = await openSubscriptionHub();
      const { status, body } = await hub.ask('GET', `/v1/subscriptions?${query}`);
      expect([status, body['code']]).toEqual([400, 'invalid_parameter']);
    },
  );
});

describe('a subscription', () => {
  test('is paused, and continues at its position', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const { id } = await hub.create({
      channels: ['a'],
      delivery: { kind: 'webhook', url: endpoint.url, format: 'data' },
    });
    const path = `/v1/subscriptions/${String(id)}`;
    expect((await hub.ask('POST', `${path}/pause`)).body).toMatchObject({ state: 'paused', reason: 'paused' });
    await hub.publish('a', 1);
    expect((await hub.ask('GET', path)).body['backlog']).toMatchObject({ lagPositions: 1 });
    expect(endpoint.received).toEqual([]);
    expect((await hub.ask('POST', `${path}/resume`, {})).body).toMatchObject({ state: 'active', reason: 'resumed' });
    await waitUntil(() => expect(endpoint.received.map(({ body }) => body)).toEqual(['1']));
  });

  test('says when a failing webhook is attempted next, and `resume` of an active one attempts it at once', async () => {
    const hub = await openSubscriptionHub();
    let status = 500;
    const endpoint = await openEndpoint((_received, response) => void response.writeHead(status).end());
    const { id } = await hub.create({
      channels: ['a'],
      delivery: { kind: 'webhook', url: endpoint.url, format: 'data', retryDelaysSeconds: [3600] },
    });
    const path = `/v1/subscriptions/${String(id)}`;
    const backlog = async (): Promise<unknown> => (await hub.ask('GET', path)).body['backlog'];
    const publishedMs = Date.now();
    await hub.publish('a', 1);
    await waitUntil(async () => expect(await backlog()).toMatchObject({ failing: 1 }));
    const { nextAttempt } = (await backlog()) as { nextAttempt: string };
    // The delay has a fifth more or less, at random.
    expect(Date.parse(nextAttempt) - publishedMs).toBeGreaterThan(3600_000 * 0.7);
    status = 200;
    expect((await hub.ask('POST', `${path}/resume`)).body).toMatchObject({ state: 'active', reason: 'created' });
    await waitUntil(() => expect(endpoint.received.map(({ body }) => body)).toEqual(['1', '1']));
    await waitUntil(async () => expect(await backlog()).toMatchObject({ failing: 0, inFlight: 0, nextAttempt: null }));
  });

  test('is removed with everything that belongs to it', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url } });
    const path = `/v1/subscriptions/${String(id)}`;
    expect((await hub.ask('DELETE', path)).status).toBe(204);
    await hub.publish('a', 1);
    for (const [method, below] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/test'],
      ['POST', '/rotate-secret'],
      ['POST', '/replay'],
      ['GET', '/replays'],
      ['GET', '/attempts'],
      ['GET', '/dead-letters'],
      ['POST', '/dead-letters/retry'],
      ['DELETE', '/dead-letters'],
    ] as const) {
      const { status, body } = await hub.ask(method, path + below);
      expect([method, below, status, body['code']]).toEqual([method, below, 404, 'not_found']);
    }
    expect(endpoint.received).toEqual([]);
  });

  test('refuses a body on routes without one', async () => {
    const hub = await openSubscriptionHub();
    const { id } = await hub.create(PULL);
    for (const action of ['pause', 'resume', 'test', 'rotate-secret', 'replay', 'dead-letters/retry']) {
      const path = `/v1/subscriptions/${String(id)}/${action}`;
      const { status, body } = await hub.ask('POST', path, { surprise: 1 });
      expect([action, status, body['code'], body['member']]).toEqual([action, 400, 'invalid_body', 'surprise']);
    }
  });
});

test('survives a restart completely, as does an idempotency key', async () => {
  const data = temporaryFolder();
  const key = { 'idempotency-key': 'mine' };
  const options = {
    channels: ['a'],
    types: ['t'],
    filter: { present: '/data' },
    metadata: { a: 'b' },
    delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/', headers: { authorization: 'mine' } },
  };
  const before = await openSubscriptionHub({ data });
  const { id } = await before.create(options, key);
  const path = `/v1/subscriptions/${String(id)}`;
  await before.ask('PATCH', path, { description: 'kept' });
  await before.ask('POST', `${path}/pause`);
  const shown = await before.ask('GET', path);
  await before.close();
  const after = await openSubscriptionHub({ data });
  const again = await after.ask('GET', path);
  expect([again.body, again.headers.get('etag')]).toEqual([shown.body, '"2"']);
  const repeated = await after.ask('POST', '/v1/subscriptions', options, key);
  expect([repeated.status, repeated.body['id'], repeated.headers.get('idempotency-replayed')]).toEqual([
    201,
    id,
    'true',
  ]);
});
