import { describe, expect, test } from 'vitest';
import {
  openEndpoint,
  openSubscriptionHub,
  waitUntil,
  type Endpoint,
  type Reply,
  type SubscriptionHub,
} from '../../testing/subscription-hub.ts';

const CHANNELS = ['customers.{owner}.>'];

/** A hub with an endpoint for two customers, and the portal of each. */
async function world(settings: object = {}): Promise<{
  readonly hub: SubscriptionHub;
  readonly endpoint: Endpoint;
  link(owner: string, more?: object): Promise<Portal>;
}> {
  const endpoint = await openEndpoint();
  const { host, origin } = new URL(endpoint.url);
  const hub = await openSubscriptionHub({
    access: 'rules',
    portal: { channels: CHANNELS },
    outgoing: { allow: [host] },
    ...settings,
    subscriptions: { trustedEndpoints: [origin], ...(settings as { subscriptions?: object }).subscriptions },
  });
  return {
    hub,
    endpoint,
    async link(owner, more = {}) {
      const { status, body } = await hub.ask('POST', '/v1/portal-links', { owner, ...more });
      if (status !== 201) throw new Error(JSON.stringify(body));
      const token = String(body['url']).split('#token=')[1] ?? '';
      const headers = { authorization: `Bearer ${token}` };
      return {
        id: String(body['id']),
        url: String(body['url']),
        token,
        ask: (method, path, sent) => hub.ask(method, path, sent, headers),
      };
    },
  };
}

interface Portal {
  readonly id: string;
  readonly url: string;
  readonly token: string;
  ask(method: string, path: string, body?: unknown): Promise<Reply>;
}

function webhook({ url }: Endpoint, customer: string, more: object = {}): object {
  return { channels: [`customers.${customer}.>`], delivery: { kind: 'webhook', url, retryDelaysSeconds: [], ...more } };
}

async function createdBy(portal: Portal, definition: object): Promise<string> {
  const { status, body } = await portal.ask('POST', '/v1/subscriptions', definition);
  if (status !== 201) throw new Error(JSON.stringify(body));
  return String(body['id']);
}

/** Every request of the portal about one subscription. */
const REQUESTS: readonly (readonly [method: string, below: string, body?: object])[] = [
  ['GET', ''],
  ['PATCH', '', { description: 'tried' }],
  ['POST', '/pause', {}],
  ['POST', '/resume', {}],
  ['POST', '/test', {}],
  ['POST', '/rotate-secret', {}],
  ['POST', '/replay', { after: 'earliest' }],
  ['GET', '/replays'],
  ['GET', '/attempts'],
  ['GET', '/events/0000000000-00000000001'],
  ['GET', '/dead-letters'],
  ['POST', '/dead-letters/retry', {}],
  ['DELETE', '/dead-letters'],
  ['DELETE', ''],
];

describe('a portal link', () => {
  test('is a URL with the token in its fragment, which is sent to no server', async () => {
    const { link } = await world();
    const { url, token } = await link('acme');
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/portal\/#token=portal_[\w-]{43}$/);
    expect(new URL(url).hash).toBe(`#token=${token}`);
  });

  test('has the channels of its owner, and says so', async () => {
    const { link, hub } = await world();
    const portal = await link('acme & sons', { theme: { accent: '#123456', appearance: 'dark' } });
    expect((await portal.ask('GET', '/v1/portal')).body).toEqual({
      owner: 'acme & sons',
      channels: ['customers.-acme-20-26-20sons.>'],
      theme: { accent: '#123456', appearance: 'dark' },
      expires: expect.any(String),
    });
    expect((await hub.ask('GET', '/v1/portal')).status).toBe(403);
  });

  test.each([
    { theme: { accent: 'url(https://evil.example)' } },
    { theme: { radius: '8px; color: red' } },
    { theme: { unknown: '#123456' } },
    { expiresInSeconds: 1 },
    { expiresInSeconds: 1e9 },
    { owner: '' },
  ])('is refused with %j', async (wrong) => {
    const { hub } = await world();
    expect((await hub.ask('POST', '/v1/portal-links', { owner: 'acme', ...wrong })).status).toBe(400);
  });

  test('without a time ends after the longest one that the settings allow, or after an hour', async () => {
    for (const [linkSecondsMax, expected] of [
      [60, 60],
      [86_400, 3600],
    ] as const) {
      const { hub } = await world({ portal: { channels: CHANNELS, linkSecondsMax } });
      const { body } = await hub.ask('POST', '/v1/portal-links', { owner: 'acme' });
      const seconds = (Date.parse(String(body['expires'])) - Date.now()) / 1000;
      expect(seconds).toBeLessThanOrEqual(expected);
      expect(seconds).toBeGreaterThan(expected - 50);
    }
  });

  test('needs a key that covers its channels', async () => {
    const { hub } = await world();
    const key = await hub.key({ subscriptions: ['customers.acme.>'], subscribe: ['customers.acme.>'] });
    const ask = async (owner: string): Promise<number> =>
      (await hub.ask('POST', '/v1/portal-links', { owner }, { authorization: `Bearer ${key}` })).status;
    expect([await ask('acme'), await ask('other')]).toEqual([201, 403]);
  });

  test('ends at its time, with a revocation, and with the key of its creator', async () => {
    const { hub, link } = await world();
    const revoked = await link('acme');
    const [kept, expiring] = [await link('acme'), await link('acme', { expiresInSeconds: 10 })];
    await hub.ask('POST', '/v1/revocations', { token: revoked.id });
    expect((await revoked.ask('GET', '/v1/portal')).status).toBe(401);
    expect((await kept.ask('GET', '/v1/portal')).status).toBe(200);
    await waitUntil(async () => expect((await expiring.ask('GET', '/v1/portal')).body['code']).toBe('token_expired'));
    const { body } = await hub.ask('POST', '/v1/keys', {
      name: 'k',
      scopes: { subscriptions: ['>'], subscribe: ['>'] },
    });
    const headers = { authorization: `Bearer ${String(body['key'])}` };
    const made = (await hub.ask('POST', '/v1/portal-links', { owner: 'acme' }, headers)).body;
    const token = String(made['url']).split('#token=')[1] ?? '';
    const portal = async (): Promise<number> =>
      (await hub.ask('GET', '/v1/portal', undefined, { authorization: `Bearer ${token}` })).status;
    expect(await portal()).toBe(200);
    await hub.ask('DELETE', `/v1/keys/${String(body['id'])}`);
    expect(await portal()).toBe(401);
  });

  test('is audited, and so is what its owner does', async () => {
    const { hub, link, endpoint } = await world();
    const portal = await link('acme');
    const id = await createdBy(portal, webhook(endpoint, 'acme'));
    await waitUntil(async () => {
      const { entries } = (await hub.ask('GET', '/v1/audit')).body as { entries: Readonly<Record<string, unknown>>[] };
      expect(entries.slice(0, 2)).toEqual([
        expect.objectContaining({
          action: 'subscription.created',
          subject: id,
          by: expect.objectContaining({ owner: 'acme' }),
        }),
        expect.objectContaining({ action: 'portal-link.created', subject: portal.id }),
      ]);
      expect(JSON.stringify(entries)).not.toContain(portal.token);
    });
  });
});

describe('an owner', () => {
  test('manages their endpoint: create, test, attempts with payloads, retry, replay, rotate, remove', async () => {
    const { hub, endpoint, link } = await world();
    const portal = await link('acme');
    const id = await createdBy(portal, webhook(endpoint, 'acme'));
    const path = `/v1/subscriptions/${id}`;
    expect((await hub.ask('GET', path)).body).toMatchObject({ owner: 'acme', createdBy: {} });
    expect((await portal.ask('POST', `${path}/test`, {})).body).toMatchObject({ outcome: 'delivered' });
    const event = await hub.publish('customers.acme.orders', { total: 42 });
    await waitUntil(async () => {
      const { attempts } = (await portal.ask('GET', `${path}/attempts?event=${event}`)).body as { attempts: unknown[] };
      expect(attempts).toHaveLength(1);
    });
    expect((await portal.ask('GET', `${path}/events/${event}`)).body).toMatchObject({
      event,
      payload: { id: event, channel: 'customers.acme.orders', data: { total: 42 } },
    });
    expect((await portal.ask('POST', `${path}/replay`, { after: 'earliest' })).status).toBe(202);
    const rotated = await portal.ask('POST', `${path}/rotate-secret`, {});
    expect((rotated.body['delivery'] as { secret: string }).secret).toMatch(/^whsec_/);
    expect((await portal.ask('POST', `${path}/dead-letters/retry`, {})).body).toEqual({ retried: 0 });
    expect((await portal.ask('DELETE', path)).status).toBe(204);
  });

  test('sees nothing of another owner, by any request', async () => {
    const { hub, endpoint, link } = await world();
    const [acme, other] = [await link('acme'), await link('other')];
    // The site may give both the same channels. The owner alone then separates them.
    const shared = await link('acme', { channels: ['customers.>'] });
    const id = await createdBy(other, webhook(endpoint, 'other'));
    const event = await hub.publish('customers.other.orders', 'secret of other');
    for (const portal of [acme, shared])
      for (const [method, below, body] of [...REQUESTS, ['GET', `/events/${event}`] as const]) {
        const reply = await portal.ask(method, `/v1/subscriptions/${id}${below}`, body);
        expect([method, below, reply.status, JSON.stringify(reply.body)]).toEqual([
          method,
          below,
          404,
          expect.not.stringContaining('other'),
        ]);
      }
    expect((await shared.ask('GET', '/v1/subscriptions')).body).toEqual({ subscriptions: [], next: null });
    expect((await shared.ask('GET', '/v1/subscriptions?owner=other')).body).toEqual({ subscriptions: [], next: null });
    expect((await other.ask('GET', '/v1/subscriptions')).body['subscriptions']).toHaveLength(1);
  });

  test('cannot take channels, an owner or a queue that the link does not have', async () => {
    const { endpoint, link } = await world();
    const portal = await link('acme');
    const statusOf = async (body: object): Promise<number> =>
      (await portal.ask('POST', '/v1/subscriptions', body)).status;
    expect(await statusOf(webhook(endpoint, 'other'))).toBe(403);
    expect(await statusOf({ ...webhook(endpoint, 'acme'), channels: ['>'] })).toBe(403);
    expect(await statusOf({ ...webhook(endpoint, 'acme'), owner: 'other' })).toBe(403);
    expect(await statusOf({ channels: ['customers.acme.a'], delivery: { kind: 'pull' } })).toBe(403);
    const id = await createdBy(portal, webhook(endpoint, 'acme'));
    expect((await portal.ask('PATCH', `/v1/subscriptions/${id}`, { channels: ['customers.>'] })).status).toBe(403);
    expect((await portal.ask('PATCH', `/v1/subscriptions/${id}`, { owner: 'other' })).status).toBe(400);
  });

  test('without access control the link is bound to its owner and channels all the same', async () => {
    const { hub, endpoint, link } = await world({ access: 'loopback' });
    const [acme, other] = [await link('acme'), await link('other')];
    const id = await createdBy(other, webhook(endpoint, 'other'));
    expect((await acme.ask('GET', `/v1/subscriptions/${id}`)).status).toBe(404);
    expect((await acme.ask('POST', '/v1/subscriptions', webhook(endpoint, 'other'))).status).toBe(403);
    expect((await hub.ask('GET', `/v1/subscriptions/${id}`)).body['owner']).toBe('other');
  });

  test('has a limit of subscriptions, which is theirs alone', async () => {
    const { hub, endpoint, link } = await world({ subscriptions: { subscriptionsPerOwnerMax: 2 } });
    const [acme, other] = [await link('acme'), await link('other')];
    for (let count = 0; count < 2; count++) await createdBy(acme, webhook(endpoint, 'acme'));
    expect((await acme.ask('POST', '/v1/subscriptions', webhook(endpoint, 'acme'))).body['code']).toBe(
      'subscription_limit',
    );
    await createdBy(other, webhook(endpoint, 'other'));
    const own = await hub.ask('POST', '/v1/subscriptions', { ...webhook(endpoint, 'acme'), owner: 'acme' });
    expect(own.body['code']).toBe('subscription_limit');
    expect((await hub.ask('POST', '/v1/subscriptions', webhook(endpoint, 'acme'))).status).toBe(201);
  });
});
