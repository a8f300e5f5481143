import { describe, expect, test, vi } from 'vitest';
import { subscriptionHub, type SubscriptionHub } from '../testing/subscription-hub.ts';

const bearer = (key: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${key}` });
const pull = (...channels: string[]): object => ({ channels, delivery: { kind: 'pull' } });

async function create(hub: SubscriptionHub, key: string, body: object): Promise<readonly unknown[]> {
  const { status, body: answer } = await hub.ask('POST', '/v1/subscriptions', body, bearer(key));
  return [status, answer['code'] ?? answer['owner']];
}

describe('who may have what delivered (PROTOCOL.md section 14.1)', () => {
  test('takes the scope for subscriptions, of these channels, and subscribing to each of them', async () => {
    const hub = await subscriptionHub({ access: 'rules' });
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
    const nobody = await hub.ask('POST', '/v1/subscriptions', pull('orders.1'), { authorization: '' });
    expect([nobody.status, nobody.body['code']]).toEqual([401, 'unauthorized']);
    const made = async (by: string): Promise<unknown> =>
      (await hub.ask('GET', `/v1/subscriptions?key=${by}`)).body['subscriptions'];
    expect(await made(id as string)).toHaveLength(1);
    expect(await made('Ab3dEf6hIj9l')).toEqual([]);
  });

  test('a change of channels takes the same, and so does a replay', async () => {
    const hub = await subscriptionHub({ access: 'rules' });
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

  test('those of other channels than a key has are not there for it', async () => {
    const hub = await subscriptionHub({ access: 'rules' });
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

  test('without access control everybody may', async () => {
    const hub = await subscriptionHub({ access: 'open' });
    expect(await create(hub, 'gibberish', pull('>'))).toEqual([201, {}]);
    expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toHaveLength(1);
  });
});

test('what is done to subscriptions is written down, without secrets', async () => {
  const hub = await subscriptionHub({ access: 'rules', outgoing: { allow: ['127.0.0.1:9'] } });
  const url = 'http://127.0.0.1:9/hook?token=mine';
  const headers = { authorization: 'mine too' };
  const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url, headers } });
  const path = `/v1/subscriptions/${String(id)}`;
  await hub.ask('PATCH', path, { description: 'x' });
  await hub.ask('POST', `${path}/rotate-secret`, { overlapSeconds: 5 });
  await hub.ask('DELETE', path);
  const { body } = await hub.ask('GET', '/v1/audit?limit=4');
  const entries = body['entries'] as Readonly<Record<string, unknown>>[];
  expect(entries.map(({ action, subject, detail }) => [action, subject, detail])).toEqual([
    ['subscription.removed', id, expect.objectContaining({ channels: ['a'] })],
    ['subscription.secret-rotated', id, { overlapSeconds: 5 }],
    ['subscription.changed', id, { members: ['description'], version: 2 }],
    [
      'subscription.created',
      id,
      { channels: ['a'], kind: 'webhook', endpoint: 'http://127.0.0.1:9', dialect: 'standard', format: 'event' },
    ],
  ]);
  expect(entries[0]?.['by']).toMatchObject({ kind: 'server', name: 'first' });
  expect(JSON.stringify(entries)).not.toMatch(/mine|whsec/);
});

test('a dead letter is read by who may read its channel, a trace shows what each may see', async () => {
  const hub = await subscriptionHub({
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
