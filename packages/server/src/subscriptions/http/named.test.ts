import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { openEndpoint, openSubscriptionHub } from '../../testing/subscription-hub.ts';

const PATH = '/v1/subscriptions/warehouse';
const QUEUE = { channels: ['jobs.>'], delivery: { kind: 'pull' } };

describe('PUT of a named subscription', () => {
  test('creates it once, and the name then stands for its id', async () => {
    const hub = await openSubscriptionHub();
    const created = await hub.ask('PUT', PATH, QUEUE);
    const { id } = created.body;
    expect([created.status, created.body['name'], created.headers.get('location')]).toEqual([
      201,
      'warehouse',
      `/v1/subscriptions/${String(id)}`,
    ]);
    const again = await hub.ask('PUT', PATH, QUEUE);
    expect([again.status, again.body['id'], again.headers.get('etag')]).toEqual([200, id, created.headers.get('etag')]);
    await hub.publish('jobs.a', 1);
    const { events } = (await hub.ask('POST', `${PATH}/pull`, { waitSeconds: 10 })).body as {
      events: { lease: string }[];
    };
    const leases = events.map(({ lease }) => lease);
    expect((await hub.ask('POST', `${PATH}/ack`, { leases })).body).toMatchObject({ count: 1 });
    expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toHaveLength(1);
    expect((await hub.ask('DELETE', PATH)).status).toBe(204);
    expect((await hub.ask('GET', PATH)).status).toBe(404);
    const next = await hub.ask('PUT', PATH, QUEUE);
    expect([next.status, next.body['id'] === id]).toEqual([201, false]);
  });

  test('of several services at once creates one', async () => {
    const hub = await openSubscriptionHub();
    const replies = await Promise.all([1, 2, 3].map(() => hub.ask('PUT', PATH, QUEUE)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
    expect(new Set(replies.map(({ body }) => body['id'])).size).toBe(1);
  });

  test('gives it another definition: absent members get their defaults, and the progress stays', async () => {
    const hub = await openSubscriptionHub();
    await hub.publish('jobs.a', 1);
    const first = await hub.ask('PUT', PATH, {
      ...QUEUE,
      types: ['job.new'],
      description: 'old',
      concurrencyMax: 3,
      delivery: { kind: 'pull', leaseSeconds: 60 },
    });
    expect(first.body).toMatchObject({ types: ['job.new'], concurrencyMax: 3, delivery: { leaseSeconds: 60 } });
    const plain = (await hub.ask('POST', '/v1/subscriptions', QUEUE)).body;
    const changed = await hub.ask('PUT', PATH, { ...QUEUE, channels: ['jobs.>', 'tasks'], start: 'earliest' });
    expect([changed.status, changed.body]).toEqual([
      200,
      {
        ...plain,
        id: first.body['id'],
        name: 'warehouse',
        channels: ['jobs.>', 'tasks'],
        created: first.body['created'],
        since: first.body['since'],
        changed: expect.any(String),
        cursor: first.body['cursor'],
      },
    ]);
    expect(changed.headers.get('etag')).not.toBe(first.headers.get('etag'));
  });

  test('keeps the secret, and refuses another one', async () => {
    const endpoint = await openEndpoint();
    const { host, origin } = new URL(endpoint.url);
    const hub = await openSubscriptionHub({
      outgoing: { allow: [host] },
      subscriptions: { trustedEndpoints: [origin] },
    });
    const webhook = (more: object = {}): object => ({
      channels: ['jobs.>'],
      delivery: { kind: 'webhook', url: endpoint.url, ...more },
    });
    const created = (await hub.ask('PUT', PATH, webhook({ headers: { 'X-Team': 'a' } }))).body['delivery'];
    const { secret, secrets } = created as { secret: string; secrets: unknown };
    const again = await hub.ask('PUT', PATH, webhook({ secret, timeoutMs: 5000 }));
    expect([again.status, again.body['delivery']]).toEqual([
      200,
      expect.objectContaining({ secrets, timeoutMs: 5000, headers: {} }),
    ]);
    expect(again.body['delivery']).not.toHaveProperty('secret');
    const memberOf = async (delivery: object): Promise<unknown> =>
      (await hub.ask('PUT', PATH, webhook(delivery))).body['member'];
    expect(await memberOf({ secret: `whsec_${'A'.repeat(32)}` })).toBe('delivery.secret');
    expect(await memberOf({ signature: 'ed25519' })).toBe('delivery.signature');
    expect(await memberOf({ dialect: 'cloudevents' })).toBe('delivery.dialect');
    expect((await hub.ask('PUT', PATH, QUEUE)).body['member']).toBe('delivery.kind');
    expect((await hub.ask('PUT', PATH, { ...webhook(), owner: 'acme' })).body['member']).toBe('owner');
  });

  test.each(['sub_0123456789abcdef', '-a', 'a%20b', 'a'.repeat(65)])('is refused for the name %s', async (name) => {
    const hub = await openSubscriptionHub();
    expect((await hub.ask('PUT', `/v1/subscriptions/${name}`, QUEUE)).body['code']).toBe('invalid_parameter');
  });

  test('obeys If-Match', async () => {
    const hub = await openSubscriptionHub();
    const put = (tag: string, channel: string) =>
      hub.ask('PUT', PATH, { ...QUEUE, channels: [channel] }, { 'if-match': tag });
    expect((await put('"1"', 'a')).status).toBe(412);
    const { headers } = await hub.ask('PUT', PATH, QUEUE);
    expect((await put(headers.get('etag') ?? '', 'a')).status).toBe(200);
    expect((await put(headers.get('etag') ?? '', 'b')).status).toBe(412);
  });

  test('needs a key for its channels, before and after', async () => {
    const hub = await openSubscriptionHub({ access: 'rules' });
    const scopes = { subscriptions: ['jobs.>'], subscribe: ['jobs.>'] };
    const headers = { authorization: `Bearer ${await hub.key(scopes)}` };
    expect((await hub.ask('PUT', PATH, { ...QUEUE, channels: ['other'] }, headers)).status).toBe(403);
    expect((await hub.ask('PUT', PATH, { ...QUEUE, channels: ['other'] })).status).toBe(201);
    expect((await hub.ask('PUT', PATH, QUEUE, headers)).status).toBe(403);
    expect((await hub.ask('GET', PATH)).body['channels']).toEqual(['other']);
  });

  test('survives a restart of the hub', async () => {
    const data = temporaryFolder();
    const before = await openSubscriptionHub({ data });
    const { id } = (await before.ask('PUT', PATH, QUEUE)).body;
    await before.close();
    const after = await openSubscriptionHub({ data });
    const again = await after.ask('PUT', PATH, QUEUE);
    expect([again.status, again.body['id']]).toEqual([200, id]);
  });
});
