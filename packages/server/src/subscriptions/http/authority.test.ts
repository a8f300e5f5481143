import { describe, expect, test, vi } from 'vitest';
import { openEndpoint, openSubscriptionHub, type SubscriptionHub } from '../../testing/subscription-hub.ts';

const bearer = (key: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${key}` });
const pull = (...channels: string[]): object => ({ channels, delivery: { kind: 'pull' } });

async function create(hub: SubscriptionHub, key: string, body: object): Promise<readonly unknown[]> {
  const { status, body: answer } = await hub.ask('POST', '/v1/subscriptions', body, bearer(key));
  return [status, answer['code'] ?? answer['createdBy']];
}

describe('permissions for subscriptions (PROTOCOL.md section 14.1)', () => {
  test('require the scope for subscriptions of these channels, and the scope to subscribe to each of them', async () => {
    const hub = await openSubscriptionHub({ access: 'rules' });
    const key = await hub.key({ subscriptions: ['orders.>', 'news.*'], subscribe: ['orders.>'] });
    const [, id] = key.split('_');
    expect(await create(hub, key, pull('orders.*.paid'))).toEqual([201, { key: id }]);
    expect(await create(hub, key, pull('orders.1', 'news.1'))).toEqual([403, 'forbidden']);
    expect(await create(hub, key, pull('orders.1', 'invoices.1'))).toEqual([403, 'forbidden']);
    expect(await create(hub, key, pull('>'))).toEqual([403, 'forbidden']);
    expect(await create(hub, await hub.key({ subscribe: ['orders.>'] }), pull('orders.1'))).toEqual([403, 'forbidden']);
    expect(await create(hub, await hub.key({ subscriptions: ['orders.>'] }), pull('orders.1'))).toEqual([
      403,
      'forbidden',
    ]);
    const anonymous = await hub.ask('POST', '/v1/subscriptions', pull('orders.1'), { authorization: '' });
    expect([anonymous.status, anonymous.body['code']]).toEqual([401, 'unauthorized']);
    const made = async (by: string): Promise<unknown> =>
      (await hub.ask('GET', `/v1/subscriptions?key=${by}`)).body['subscriptions'];
    expect(await made(id as string)).toHaveLength(1);
    expect(await made('Ab3dEf6hIj9l')).toEqual([]);
  });

  test('are also required for a change of channels, and for a replay', async () => {
    const hub = await openSubscriptionHub({ access: 'rules' });
    const key = await hub.key({ subscriptions: ['>'], subscribe: ['orders.>'] });
    const { id } = await hub.create(pull('orders.1'), bearer(key));
    const path = `/v1/subscriptions/${String(id)}`;
    const patch = (channels: readonly string[]): Promise<number> =>
      hub.ask('PATCH', path, { channels }, bearer(key)).then(({ status }) => status);
    expect(await patch(['orders.2'])).toBe(200);
    expect(await patch(['orders.2', 'news'])).toBe(403);
    expect((await hub.ask('GET', path)).body['channels']).toEqual(['orders.2']);
    const manager = await hub.key({ subscriptions: ['>'] });
    const replay = await hub.ask('POST', `${path}/replay`, { after: 'earliest' }, bearer(manager));
    expect([replay.status, replay.body['code']]).toEqual([403, 'forbidden']);
  });

  test.each([
    ['another URL', { delivery: { url: 'http://127.0.0.1:10/steal' } }],
    ['another URL of the same host', { delivery: { url: 'http://127.0.0.1:9/steal' } }],
    ['types', { types: ['paid'] }],
    ['all types', { types: null }],
    ['a filter', { filter: { startsWith: ['/data/card', '4'] } }],
  ])('are also required for a change of the destination: %s', async (_what, change) => {
    const hub = await openSubscriptionHub({ access: 'rules', outgoing: { allow: ['127.0.0.1:9', '127.0.0.1:10'] } });
    const delivery = { kind: 'webhook', url: 'http://127.0.0.1:9/' };
    const { id, changed } = await hub.create({ channels: ['orders.1'], delivery, types: ['made'] });
    const path = `/v1/subscriptions/${String(id)}`;
    const manager = await hub.key({ subscriptions: ['>'] });
    const refused = await hub.ask('PATCH', path, change, bearer(manager));
    expect([refused.status, refused.body['code']]).toEqual([403, 'forbidden']);
    expect((await hub.ask('GET', path)).body['changed']).toBe(changed);
    expect((await hub.ask('PATCH', path, { description: 'x' }, bearer(manager))).status).toBe(200);
    const reader = await hub.key({ subscriptions: ['>'], subscribe: ['orders.>'] });
    expect((await hub.ask('PATCH', path, change, bearer(reader))).status).toBe(200);
  });

  test('are also required for a retry of dead letters', async () => {
    const hub = await openSubscriptionHub({ access: 'rules' });
    const { id } = await hub.create({ channels: ['orders.1'], delivery: { kind: 'pull' } });
    const path = `/v1/subscriptions/${String(id)}/dead-letters/retry`;
    const retry = async (key: string): Promise<number> => (await hub.ask('POST', path, undefined, bearer(key))).status;
    expect(await retry(await hub.key({ subscriptions: ['>'] }))).toBe(403);
    expect(await retry(await hub.key({ subscriptions: ['>'], subscribe: ['orders.>'] }))).toBe(202);
  });

  test('another origin receives only headers that are given again, and no stored secret', async () => {
    const [before, after] = [await openEndpoint(), await openEndpoint()];
    const hosts = [before, after].map(({ url }) => new URL(url).host);
    const trustedEndpoints = hosts.map((host) => `http://${host}`);
    const hub = await openSubscriptionHub({ outgoing: { allow: hosts }, subscriptions: { trustedEndpoints } });
    const headers = { authorization: 'Bearer secret', 'x-pass': 'pass word', 'x-tenant': 'tenant 42' };
    const delivery = { kind: 'webhook', url: before.url, headers };
    const { id, delivery: shown } = await hub.create({ channels: ['a'], delivery });
    expect(shown).toMatchObject({ headers: { authorization: '…', 'x-pass': '…', 'x-tenant': '…' } });
    const path = `/v1/subscriptions/${String(id)}`;
    await hub.ask('PATCH', path, { delivery: { url: `${before.url}/other` } });
    await hub.ask('POST', `${path}/test`);
    expect(before.received[0]?.headers).toMatchObject(headers);
    const kept = await hub.ask('PATCH', path, { delivery: { url: after.url, headers: { 'x-pass': '…' } } });
    expect([kept.status, kept.body['member']]).toEqual([400, 'delivery.headers']);
    await hub.ask('PATCH', path, { delivery: { url: after.url } });
    await hub.ask('POST', `${path}/test`);
    expect(Object.keys(after.received[0]?.headers ?? {})).not.toEqual(expect.arrayContaining(['authorization']));
    expect(JSON.stringify(after.received)).not.toMatch(/secret|pass word|x-tenant/);
    const attempts = JSON.stringify((await hub.ask('GET', `${path}/attempts`)).body);
    expect(attempts).not.toMatch(/Bearer secret|pass word|tenant 42/);
  });

  test("subscriptions of channels outside of a key's scopes do not exist for it", async () => {
    const hub = await openSubscriptionHub({ access: 'rules' });
    const mine = await hub.key({ subscriptions: ['mine.>'], subscribe: ['mine.>'] });
    const { id: ours } = await hub.create(pull('mine.1'));
    const { id: theirs } = await hub.create(pull('mine.1', 'theirs.1'));
    const { body } = await hub.ask('GET', '/v1/subscriptions', undefined, bearer(mine));
    expect((body['subscriptions'] as { id: unknown }[]).map(({ id }) => id)).toEqual([ours]);
    for (const [method, below] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['POST', '/pause'],
      ['POST', '/rotate-secret'],
      ['GET', '/attempts'],
      ['DELETE', '/dead-letters'],
    ] as const) {
      const answer = await hub.ask(method, `/v1/subscriptions/${String(theirs)}${below}`, undefined, bearer(mine));
      expect([method, below, answer.status]).toEqual([method, below, 404]);
    }
    expect((await hub.ask('GET', `/v1/subscriptions/${String(theirs)}`)).body['state']).toBe('active');
  });

  test('without access control every caller is allowed', async () => {
    const hub = await openSubscriptionHub({ access: 'open' });
    expect(await create(hub, 'gibberish', pull('>'))).toEqual([201, {}]);
    expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toHaveLength(1);
  });
});

describe('a test', () => {
  test.each(
    ['event', 'data', 'cloudevents', 'cloudevents-binary'].flatMap((format) => [
      [format, false] as const,
      [format, true] as const,
    ]),
  )('in the format %s (batch: %s) is marked as a test in its signed content', async (format, isBatch) => {
    const endpoint = await openEndpoint();
    const host = new URL(endpoint.url).host;
    const hub = await openSubscriptionHub({
      outgoing: { allow: [host] },
      subscriptions: { trustedEndpoints: [`http://${host}`] },
    });
    const batch = isBatch ? { countMax: 10 } : null;
    const { id } = await hub.create({
      channels: ['a'],
      delivery: { kind: 'webhook', url: endpoint.url, format, batch },
    });
    for (const data of [undefined, { total: 1, test: false }, 'a text', [1]])
      await hub.ask('POST', `/v1/subscriptions/${String(id)}/test`, data === undefined ? undefined : { data });
    const bodies = endpoint.received
      .map(({ body }) => JSON.parse(body) as unknown)
      .map((body) => (isBatch ? (body as unknown[])[0] : body));
    const answers = bodies.map((body) => {
      const { data, channel } = body as { data?: unknown; channel?: string };
      return channel === undefined ? body : data;
    });
    expect(answers).toEqual([
      { test: true },
      { test: true, total: 1 },
      { test: true, data: 'a text' },
      { test: true, data: [1] },
    ]);
  });

  test('has channels and types of its subscription, and data that its sender may publish', async () => {
    const hub = await openSubscriptionHub({
      access: 'rules',
      outgoing: { allow: ['127.0.0.1:9'] },
      subscriptions: { trustedEndpoints: ['http://127.0.0.1:9'] },
    });
    const delivery = { kind: 'webhook', url: 'http://127.0.0.1:9/' };
    const { id } = await hub.create({ channels: ['orders.>'], types: ['made'], delivery });
    const tried = async (key: string, body: object): Promise<unknown> => {
      const answer = await hub.ask('POST', `/v1/subscriptions/${String(id)}/test`, body, bearer(key));
      return answer.body['code'] ?? answer.body['outcome'];
    };
    const manager = await hub.key({ subscriptions: ['>'] });
    const publisher = await hub.key({ subscriptions: ['>'], publish: ['orders.1'] });
    expect(await tried(manager, {})).toBe('connection');
    expect(await tried(manager, { channel: 'payments.captured' })).toBe('invalid_body');
    expect(await tried(manager, { type: 'payment.ok' })).toBe('invalid_body');
    expect(await tried(manager, { channel: 'orders.1', data: { total: 1 } })).toBe('forbidden');
    expect(await tried(publisher, { channel: 'orders.1', data: { total: 1 } })).toBe('connection');
    expect(await tried(publisher, { channel: 'orders.2', data: { total: 1 } })).toBe('forbidden');
    const entries = (await hub.ask('GET', '/v1/audit?limit=3')).body['entries'] as { action: string; detail: object }[];
    const tests = entries.filter(({ action }) => action === 'subscription.tested').map(({ detail }) => detail);
    expect(tests[0]).toEqual({ channel: 'orders.1', type: 'made', outcome: 'connection' });
  });
});

test('actions on subscriptions are recorded, without secrets', async () => {
  const hub = await openSubscriptionHub({ access: 'rules', outgoing: { allow: ['127.0.0.1:9'] } });
  const url = 'http://127.0.0.1:9/hook?token=of-mine';
  const headers = { authorization: 'of-mine too' };
  const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url, headers } });
  const path = `/v1/subscriptions/${String(id)}`;
  await hub.ask('PATCH', path, { description: 'x' });
  await hub.ask('POST', `${path}/rotate-secret`, { overlapSeconds: 5 });
  await hub.ask('POST', `${path}/dead-letters/retry`);
  await hub.ask('DELETE', path);
  const { body } = await hub.ask('GET', '/v1/audit?limit=5');
  const entries = body['entries'] as Readonly<Record<string, unknown>>[];
  expect(entries.map(({ action, subject, detail }) => [action, subject, detail])).toEqual([
    ['subscription.removed', id, expect.objectContaining({ channels: ['a'] })],
    ['subscription.dead-letters-retried', id, { retried: 0 }],
    ['subscription.secret-rotated', id, { overlapSeconds: 5 }],
    ['subscription.changed', id, { members: ['description'], version: 2 }],
    [
      'subscription.created',
      id,
      { channels: ['a'], kind: 'webhook', endpoint: 'http://127.0.0.1:9', dialect: 'standard', format: 'event' },
    ],
  ]);
  expect(entries[0]?.['by']).toMatchObject({ kind: 'server', name: 'first' });
  expect(JSON.stringify(entries)).not.toMatch(/of-mine|whsec/);
});

test('a dead letter is read by callers that may read its channel, and a trace shows each caller its own part', async () => {
  const hub = await openSubscriptionHub({
    access: 'rules',
    outgoing: { allow: ['127.0.0.1:9'] },
    subscriptions: { trustedEndpoints: ['http://127.0.0.1:9'] },
  });
  const delivery = { kind: 'webhook', url: 'http://127.0.0.1:9/', retryDelaysSeconds: [] };
  const { id } = await hub.create({ channels: ['orders.1'], delivery });
  const event = await hub.publish('orders.1', 'for some');
  const path = `/v1/subscriptions/${String(id)}/dead-letters`;
  await vi.waitFor(async () => expect((await hub.ask('GET', path)).body['deadLetters']).toHaveLength(1), 10_000);
  const manager = await hub.key({ subscriptions: ['orders.>'] });
  const listed = await hub.ask('GET', path, undefined, bearer(manager));
  expect([listed.status, JSON.stringify(listed.body).includes('for some')]).toEqual([200, false]);
  expect((await hub.ask('GET', `${path}/${event}`, undefined, bearer(manager))).status).toBe(403);
  const reader = await hub.key({ subscriptions: ['orders.>'], subscribe: ['orders.>'] });
  expect((await hub.ask('GET', `${path}/${event}`, undefined, bearer(reader))).body['payload']).toMatchObject({
    data: 'for some',
  });
  const traced = async (key: string): Promise<unknown> =>
    (await hub.ask('GET', `/v1/events/${event}/deliveries`, undefined, bearer(key))).body['deliveries'];
  expect(await traced(manager)).toHaveLength(1);
  expect(await traced(await hub.key({ subscriptions: ['news.>'] }))).toEqual([]);
});
