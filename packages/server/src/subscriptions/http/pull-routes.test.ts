import { describe, expect, test, vi } from 'vitest';
import { openSubscriptionHub, type Reply, type SubscriptionHub } from '../../testing/subscription-hub.ts';

interface Leased {
  readonly lease: string;
  readonly delivery: number;
  readonly leaseEnds: string;
  readonly event: { readonly id: string; readonly channel: string; readonly time: string; readonly data: unknown };
}

/** A pull subscription of a hub, by HTTP. */
interface Queue {
  readonly path: string;
  post(action: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  pull(body?: unknown): Promise<readonly Leased[]>;
}

async function queueOf(hub: SubscriptionHub, options: object = {}): Promise<Queue> {
  const { id } = await hub.create({ channels: ['jobs.>'], ordering: 'none', delivery: { kind: 'pull' }, ...options });
  const path = `/v1/subscriptions/${String(id)}`;
  const post: Queue['post'] = (action, body, headers) => hub.ask('POST', `${path}/${action}`, body, headers);
  return {
    path,
    post,
    async pull(body) {
      const reply = await post('pull', body);
      expect(reply.status).toBe(200);
      return reply.body['events'] as readonly Leased[];
    },
  };
}

describe('pulling', () => {
  test('returns events as they were published, each with a lease; an acknowledged event is not returned again', async () => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    const ids = [await hub.publish('jobs.a', { n: 1 }), await hub.publish('jobs.b', 'zwölf', 'job.made')];
    const events = await queue.pull();
    expect(events).toEqual([
      {
        lease: expect.stringMatching(/^[A-Za-z0-9_-]{16,64}$/),
        delivery: 1,
        leaseEnds: expect.any(String),
        event: { id: ids[0], channel: 'jobs.a', time: expect.any(String), data: { n: 1 } },
      },
      {
        lease: expect.any(String),
        delivery: 1,
        leaseEnds: events[0]?.leaseEnds,
        event: { id: ids[1], channel: 'jobs.b', type: 'job.made', time: expect.any(String), data: 'zwölf' },
      },
    ]);
    const leaseMs = Date.parse(events[0]?.leaseEnds as string) - Date.now();
    expect(leaseMs).toBeGreaterThan(20_000);
    expect(leaseMs).toBeLessThanOrEqual(30_000);
    const { status, body } = await queue.post('ack', { leases: [...events.map(({ lease }) => lease), 'nobodys'] });
    expect([status, body]).toEqual([200, { count: 2, notHeld: ['nobodys'] }]);
    expect(await queue.pull()).toEqual([]);
    const shown = await hub.ask('GET', queue.path);
    expect(shown.body['backlog']).toMatchObject({ inFlight: 0, failing: 0, deadLetters: 0 });
  });

  test('acknowledges every leased event up to and including one', async () => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    const ids = [await hub.publish('jobs.a', 1), await hub.publish('jobs.a', 2), await hub.publish('jobs.a', 3)];
    const events = await queue.pull();
    expect((await queue.post('ack', { through: ids[1] })).body).toEqual({ count: 2, notHeld: [] });
    const leases = events.map(({ lease }) => lease);
    expect((await queue.post('ack', { leases })).body).toEqual({ count: 1, notHeld: leases.slice(0, 2) });
  });

  test('returns released events again, counted; leases are extended, and end', async () => {
    const hub = await openSubscriptionHub({}, 500);
    const queue = await queueOf(hub);
    await hub.publish('jobs.a', 1);
    // A minute takes about a tenth of a second here. Therefore leases are long, and a worker pulls
    // again after an empty response.
    const next = (leaseSeconds: number): Promise<Leased> =>
      vi.waitFor(async () => {
        const [event] = await queue.pull({ waitSeconds: 60, leaseSeconds });
        if (event === undefined) throw new Error('nothing has come yet');
        return event;
      });
    const first = await next(43_200);
    expect((await queue.post('nack', { leases: [first.lease] })).body).toEqual({ count: 1, notHeld: [] });
    const second = await next(43_200);
    expect(second).toMatchObject({ delivery: 2, event: first.event });
    expect(second.lease).not.toBe(first.lease);
    expect((await queue.post('nack', { leases: [first.lease] })).body).toEqual({ count: 0, notHeld: [first.lease] });
    const extended = await queue.post('extend', { leases: [second.lease], leaseSeconds: 3600 });
    expect(extended.body).toEqual({ count: 1, notHeld: [], leaseEnds: expect.any(String) });
    expect(await queue.pull({ waitSeconds: 60 })).toEqual([]);
    await queue.post('extend', { leases: [second.lease], leaseSeconds: 1 });
    expect(await next(60)).toMatchObject({ delivery: 3, event: first.event });
  });

  test('a waiting worker receives new events, and an empty list if there are none', async () => {
    const hub = await openSubscriptionHub({}, 10);
    const queue = await queueOf(hub);
    expect(await queue.pull({ waitSeconds: 1 })).toEqual([]);
    const waiting = queue.pull({ waitSeconds: 60, count: 1 });
    await hub.publish('jobs.a', 1);
    expect(await waiting).toMatchObject([{ event: { data: 1 } }]);
  });

  test('a worker that disconnects during its wait leases nothing', async () => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    const calling = new AbortController();
    const gone = fetch(`${hub.url}${queue.path}/pull`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"waitSeconds":60}',
      signal: calling.signal,
    });
    const sessions = async (): Promise<string> => (await fetch(`${hub.url}/metrics`)).text();
    await vi.waitFor(
      async () => expect(await sessions()).toMatch(/polycast_sessions\{transport="long-poll"\} 1/),
      10_000,
    );
    calling.abort();
    await expect(gone).rejects.toThrow(/abort/);
    await vi.waitFor(
      async () => expect(await sessions()).toMatch(/polycast_sessions\{transport="long-poll"\} 0/),
      10_000,
    );
    await hub.publish('jobs.a', 1);
    expect(await queue.pull()).toMatchObject([{ delivery: 1 }]);
  });

  test('a hub that stops answers waiting workers', async () => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    const waiting = queue.pull({ waitSeconds: 60 });
    const sessions = async (): Promise<string> => (await fetch(`${hub.url}/metrics`)).text();
    await vi.waitFor(
      async () => expect(await sessions()).toMatch(/polycast_sessions\{transport="long-poll"\} 1/),
      10_000,
    );
    await hub.drain();
    expect(await waiting).toEqual([]);
  });

  test('a large answer is compressed for clients that accept it', async () => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    await hub.publish('jobs.a', 'x'.repeat(10_000));
    const { headers, body } = await queue.post('pull', {}, { 'accept-encoding': 'gzip' });
    expect(headers.get('content-encoding')).toBe('gzip');
    expect(body['events']).toMatchObject([{ event: { data: 'x'.repeat(10_000) } }]);
  });

  test('a paused subscription is not pulled from; its leases can be acknowledged', async () => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    await hub.publish('jobs.a', 1);
    const [event] = (await queue.pull()) as [Leased];
    await queue.post('pause');
    const refused = await queue.post('pull');
    expect([refused.status, refused.body['code'], refused.body['state']]).toEqual([
      409,
      'subscription_not_active',
      'paused',
    ]);
    expect((await queue.post('ack', { leases: [event.lease] })).body).toEqual({ count: 1, notHeld: [] });
  });
});

describe('invalid bodies', () => {
  test.each([
    ['pull', { count: 0 }, 'count'],
    ['pull', { count: 1001 }, 'count'],
    ['pull', { count: 1.5 }, 'count'],
    ['pull', { count: '1' }, 'count'],
    ['pull', { waitSeconds: -1 }, 'waitSeconds'],
    ['pull', { waitSeconds: 61 }, 'waitSeconds'],
    ['pull', { leaseSeconds: 0 }, 'leaseSeconds'],
    ['pull', { leaseSeconds: 43_201 }, 'leaseSeconds'],
    ['pull', { wait: 1 }, 'wait'],
    ['ack', {}, 'leases'],
    ['ack', { leases: [] }, 'leases'],
    ['ack', { leases: 'all' }, 'leases'],
    ['ack', { leases: [1] }, 'leases'],
    ['ack', { leases: ['x'.repeat(65)] }, 'leases'],
    ['ack', { leases: Array.from({ length: 1001 }, () => 'a') }, 'leases'],
    ['ack', { leases: ['a'], through: '0123456789-00000000000' }, 'through'],
    ['ack', { through: 'now' }, 'through'],
    ['ack', { through: '0123456789-00000000000' }, 'through'],
    ['nack', {}, 'leases'],
    ['nack', { leases: ['a'], delaySeconds: -1 }, 'delaySeconds'],
    ['nack', { leases: ['a'], delaySeconds: 43_201 }, 'delaySeconds'],
    ['extend', {}, 'leases'],
    ['extend', { leases: ['a'], leaseSeconds: 0 }, 'leaseSeconds'],
  ])('%s, number %# of these, is refused, and nothing is leased or acknowledged', async (action, body, member) => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    await hub.publish('jobs.a', 1);
    const reply = await queue.post(action, body);
    expect([reply.status, reply.body['code'], reply.body['member']]).toEqual([400, 'invalid_body', member]);
    expect(await queue.pull()).toMatchObject([{ delivery: 1 }]);
  });

  test('invalid JSON, no object, another media type, an unknown subscription, a webhook', async () => {
    const hub = await openSubscriptionHub();
    const queue = await queueOf(hub);
    expect((await queue.post('pull', '{')).body['code']).toBe('invalid_json');
    expect((await queue.post('ack', '[]')).body['code']).toBe('invalid_body');
    expect((await queue.post('ack', '{}', { 'content-type': 'text/plain' })).body['code']).toBe(
      'unsupported_media_type',
    );
    const missing = await hub.ask('POST', '/v1/subscriptions/sub_0000000000000000/pull');
    expect([missing.status, missing.body['code']]).toEqual([404, 'not_found']);
    const { id } = await hub.create({
      channels: ['jobs.>'],
      delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/hook' },
    });
    for (const [action, body] of [
      ['pull', {}],
      ['ack', { leases: ['a'] }],
      ['nack', { leases: ['a'] }],
      ['extend', { leases: ['a'] }],
    ] as const) {
      const reply = await hub.ask('POST', `/v1/subscriptions/${String(id)}/${action}`, body);
      expect([reply.status, reply.body['code']]).toEqual([409, 'subscription_not_active']);
    }
  });
});
