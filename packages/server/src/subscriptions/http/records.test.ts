import { describe, expect, test } from 'vitest';
import {
  openEndpoint,
  openSubscriptionHub,
  waitUntil,
  type Endpoint,
  type SubscriptionHub,
} from '../../testing/subscription-hub.ts';

/** Creates a webhook for channel `a` and the channels below it. Returns its path. */
async function webhook(hub: SubscriptionHub, { url }: Endpoint, more: object = {}): Promise<string> {
  const delivery = { kind: 'webhook', url, format: 'data', retryDelaysSeconds: [], ...more };
  return `/v1/subscriptions/${String((await hub.create({ channels: ['a', 'a.>'], delivery }))['id'])}`;
}

const FAILING = (): Promise<Endpoint> =>
  openEndpoint((_received, response) => response.writeHead(500, { 'x-why': 'broken' }).end('no'));

interface Attempt {
  readonly number: number;
  readonly event: string | null;
  readonly outcome: string;
}

async function attemptsOf(hub: SubscriptionHub, path: string, query = ''): Promise<readonly Attempt[]> {
  return (await hub.ask('GET', `${path}/attempts${query}`)).body['attempts'] as readonly Attempt[];
}

describe('attempts', () => {
  test('contain the request, the answer, and its durations', async () => {
    const hub = await openSubscriptionHub();
    const path = await webhook(hub, await FAILING(), { headers: { authorization: 'mine', 'x-tenant': '42' } });
    const event = await hub.publish('a', { n: 1 });
    await waitUntil(async () => expect(await attemptsOf(hub, path)).toHaveLength(1));
    const [attempt] = await attemptsOf(hub, path);
    expect(attempt).toEqual({
      number: expect.any(Number),
      subscription: path.split('/').at(-1),
      event,
      gap: false,
      count: 1,
      attempt: 1,
      started: expect.stringMatching(/Z$/),
      outcome: 'refused_status',
      detail: expect.any(String),
      request: {
        url: expect.stringMatching(/^http:/),
        headers: expect.objectContaining({
          authorization: '…',
          'x-tenant': '…',
          'webhook-id': expect.any(String),
          'webhook-signature': expect.stringMatching(/^v1,/),
        }),
        bodyBytes: 7,
      },
      response: { status: 500, headers: expect.objectContaining({ 'x-why': 'broken' }), body: 'no', cut: false },
      timing: {
        nameMs: expect.toSatisfy((value) => value === null || typeof value === 'number'),
        connectMs: expect.toSatisfy((value) => value === null || typeof value === 'number'),
        tlsMs: null,
        firstByteMs: expect.any(Number),
        totalMs: expect.any(Number),
      },
    });
  });

  test('are listed in pages, the newest first, and by event', async () => {
    const hub = await openSubscriptionHub();
    const path = await webhook(hub, await openEndpoint());
    const events = [await hub.publish('a', 1), await hub.publish('a', 2), await hub.publish('a', 3)];
    await waitUntil(async () => expect(await attemptsOf(hub, path)).toHaveLength(3));
    const page = (await hub.ask('GET', `${path}/attempts?limit=2`)).body;
    expect((page['attempts'] as Attempt[]).map(({ event }) => event)).toEqual([events[2], events[1]]);
    const rest = (await hub.ask('GET', `${path}/attempts?limit=2&before=${String(page['next'])}`)).body;
    expect([(rest['attempts'] as Attempt[]).map(({ event }) => event), rest['next']]).toEqual([[events[0]], null]);
    expect((await attemptsOf(hub, path, `?event=${events[1]}`)).map(({ event }) => event)).toEqual([events[1]]);
  });

  test.each([
    ['before=x', 'invalid_parameter'],
    ['limit=101', 'invalid_parameter'],
    ['after=1', 'invalid_parameter'],
    ['event=x', 'invalid_cursor'],
  ])('%s is refused', async (query, code) => {
    const hub = await openSubscriptionHub();
    const path = await webhook(hub, await openEndpoint());
    const { status, body } = await hub.ask('GET', `${path}/attempts?${query}`);
    expect([status, body['code']]).toEqual([400, code]);
  });
});

describe('a test', () => {
  test('sends a sample immediately, and returns its outcome', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const path = await webhook(hub, endpoint);
    const tested = await hub.ask('POST', `${path}/test`);
    expect([tested.status, tested.body['event'], tested.body['outcome']]).toEqual([200, null, 'delivered']);
    await hub.ask('POST', `${path}/test`, { channel: 'a.b', type: 't', data: { mine: true } });
    expect(endpoint.received.map(({ body }) => body)).toEqual(['{"test":true}', '{"test":true,"mine":true}']);
    await hub.ask('PATCH', path, { delivery: { format: 'event' } });
    await hub.ask('POST', `${path}/test`, { channel: 'a.b', type: 't', data: null });
    expect(JSON.parse(endpoint.received[2]?.body ?? '')).toMatchObject({
      channel: 'a.b',
      type: 't',
      data: { test: true, data: null },
    });
    expect((await hub.ask('GET', path)).body['backlog']).toMatchObject({ lagPositions: 0, failing: 0 });
  });

  test('reports a failure, and is sent in every state between verification and the end', async () => {
    const hub = await openSubscriptionHub();
    const path = await webhook(hub, await FAILING());
    await hub.ask('POST', `${path}/pause`);
    expect((await hub.ask('POST', `${path}/test`)).body).toMatchObject({
      outcome: 'refused_status',
      response: { status: 500 },
    });
  });

  test('uses the sample of the catalogue for its type', async () => {
    const hub = await openSubscriptionHub({ eventTypes: [{ name: 'paid', channels: ['a'], sample: { total: 5 } }] });
    const endpoint = await openEndpoint();
    const path = await webhook(hub, endpoint);
    await hub.ask('POST', `${path}/test`, { type: 'paid' });
    expect(endpoint.received[0]?.body).toBe('{"test":true,"total":5}');
  });

  test.each([
    [{ channel: 'a.*' }, 'channel'],
    [{ channel: 1 }, 'channel'],
    [{ type: '' }, 'type'],
    [{ channel: 'elsewhere' }, 'channel'],
  ])('%j is refused', async (body, member) => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const refused = await hub.ask('POST', `${await webhook(hub, endpoint)}/test`, body);
    expect([refused.status, refused.body['code'], refused.body['member']]).toEqual([400, 'invalid_body', member]);
    expect(endpoint.received).toEqual([]);
  });
});

describe('dead letters', () => {
  async function withLetters(): Promise<{ hub: SubscriptionHub; path: string; events: readonly string[] }> {
    const hub = await openSubscriptionHub();
    const path = await webhook(hub, await FAILING());
    const events = [await hub.publish('a', 1), await hub.publish('a.b', 2), await hub.publish('a', 3)];
    await waitUntil(async () => expect((await hub.ask('GET', path)).body['backlog']).toMatchObject({ deadLetters: 3 }));
    await waitUntil(async () =>
      expect((await hub.ask('GET', `${path}/dead-letters`)).body['deadLetters']).toHaveLength(3),
    );
    return { hub, path, events };
  }

  test('are listed in pages, the oldest first', async () => {
    const { hub, path, events } = await withLetters();
    const { body } = await hub.ask('GET', `${path}/dead-letters?limit=2`);
    expect(body).toEqual({
      deadLetters: [
        {
          event: events[0],
          channel: 'a',
          attempts: 1,
          since: expect.any(String),
          outcome: 'refused_status',
          detail: 'The endpoint answered with status 500.',
        },
        expect.objectContaining({ event: events[1], channel: 'a.b' }),
      ],
      next: events[1],
    });
    const rest = (await hub.ask('GET', `${path}/dead-letters?after=${events[1]}`)).body;
    expect([(rest['deadLetters'] as Attempt[]).map(({ event }) => event), rest['next']]).toEqual([[events[2]], null]);
  });

  test('are read with the published data, by callers that may read it', async () => {
    const { hub, path, events } = await withLetters();
    const { status, body } = await hub.ask('GET', `${path}/dead-letters/${events[1]}`);
    expect(status).toBe(200);
    expect(body['payload']).toEqual({ id: events[1], channel: 'a.b', time: expect.any(String), data: 2 });
    const nothing = await hub.ask('GET', `${path}/dead-letters/${events[1]?.slice(0, -1)}z`);
    expect([nothing.status, nothing.body['code']]).toEqual([400, 'invalid_cursor']);
    const wrong = await hub.ask('POST', `${path}/dead-letters/gibberish/retry`);
    expect([wrong.status, wrong.body['code']]).toEqual([400, 'invalid_cursor']);
  });

  test('are discarded, one or all', async () => {
    const { hub, path, events } = await withLetters();
    expect((await hub.ask('DELETE', `${path}/dead-letters/${events[0]}`)).body).toEqual({ discarded: 1 });
    expect((await hub.ask('DELETE', `${path}/dead-letters/${events[0]}`)).status).toBe(404);
    expect((await hub.ask('DELETE', `${path}/dead-letters`)).body).toEqual({ discarded: 2 });
    expect((await hub.ask('GET', path)).body['backlog']).toMatchObject({ deadLetters: 0 });
  });

  test('are retried, one or all', async () => {
    const { hub, path, events } = await withLetters();
    const endpoint = await openEndpoint();
    await hub.ask('PATCH', path, { delivery: { url: endpoint.url } });
    const one = await hub.ask('POST', `${path}/dead-letters/${events[1]}/retry`);
    expect([one.status, one.body]).toEqual([202, { retried: 1 }]);
    await waitUntil(() => expect(endpoint.received.map(({ body }) => body)).toEqual(['2']));
    expect((await hub.ask('POST', `${path}/dead-letters/retry`)).body).toEqual({ retried: 2 });
    await waitUntil(() => expect(endpoint.received.map(({ body }) => body)).toEqual(['2', '1', '3']));
    await waitUntil(async () => expect((await hub.ask('GET', path)).body['backlog']).toMatchObject({ deadLetters: 0 }));
  });
});

describe('a replay', () => {
  test('delivers the events after a cursor again, of one channel or all', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const path = await webhook(hub, endpoint);
    const bodies = (): readonly string[] => endpoint.received.map(({ body }) => body);
    const first = await hub.publish('a', 1);
    await hub.publish('a.b', 2);
    await hub.publish('a', 3);
    await waitUntil(() => expect(bodies()).toHaveLength(3));
    const all = await hub.ask('POST', `${path}/replay`, { after: first });
    expect([all.status, all.body]).toEqual([
      202,
      {
        id: expect.any(String),
        after: first,
        through: expect.any(String),
        reached: expect.any(String),
        channel: null,
        done: expect.any(Boolean),
      },
    ]);
    await waitUntil(() => expect(bodies().slice(3).toSorted()).toEqual(['2', '3']));
    await hub.ask('POST', `${path}/replay`, { after: 'earliest', channel: 'a.b' });
    await waitUntil(() => expect(bodies().slice(5)).toEqual(['2']));
    await waitUntil(async () => {
      const { replays } = (await hub.ask('GET', `${path}/replays`)).body as { replays: { done: boolean }[] };
      expect(replays.every(({ done }) => done)).toBe(true);
    });
  });

  test('delivers the events since a time again', async () => {
    const hub = await openSubscriptionHub({}, 1000);
    const endpoint = await openEndpoint();
    const path = await webhook(hub, endpoint);
    const timeOf = async (event: string): Promise<number> => {
      const { events } = (await hub.ask('GET', '/v1/channels/a/history')).body as {
        events: { id: string; time: string }[];
      };
      return Date.parse(events.find(({ id }) => id === event)?.time ?? '');
    };
    const events: string[] = [];
    for (let n = 1; n <= 5; n++) {
      events.push(await hub.publish('a', n));
      // The clock is a thousand times faster than real time, so each event has its own second.
      await waitUntil(() => expect(endpoint.received).toHaveLength(n));
    }
    const since = new Date(await timeOf(events[3] as string)).toISOString();
    await hub.ask('POST', `${path}/replay`, { since });
    await waitUntil(() => expect(endpoint.received.slice(5).map(({ body }) => body)).toEqual(['4', '5']));
    const none = await hub.ask('POST', `${path}/replay`, { since: '2099-01-01T00:00:00Z' });
    expect(none.body['after']).toBe(none.body['through']);
  });

  test('with an invalid cursor does not suggest now', async () => {
    const hub = await openSubscriptionHub();
    const { body } = await hub.ask('POST', `${await webhook(hub, await openEndpoint())}/replay`, {
      after: 'gibberish',
    });
    expect(body).toMatchObject({
      parameter: 'after',
      detail: 'It must be a cursor or "earliest". For a time, give "since".',
    });
  });

  test.each<[body: object, code: string, member: string | undefined]>([
    [{}, 'invalid_body', 'after'],
    [{ after: 'earliest', since: '2027-01-01T00:00:00Z' }, 'invalid_body', 'after'],
    [{ after: 'now' }, 'invalid_body', 'after'],
    [{ after: 'gibberish' }, 'invalid_cursor', undefined],
    [{ since: 'yesterday' }, 'invalid_body', 'since'],
    [{ after: 'earliest', channel: 'b' }, 'invalid_body', 'channel'],
    [{ after: 'earliest', channel: 'a.*' }, 'invalid_body', 'channel'],
  ])('%j is refused', async (body, code, member) => {
    const hub = await openSubscriptionHub();
    const path = await webhook(hub, await openEndpoint());
    const refused = await hub.ask('POST', `${path}/replay`, body);
    expect([refused.status, refused.body['code'], refused.body['member']]).toEqual([400, code, member]);
    expect((await hub.ask('GET', `${path}/replays`)).body).toEqual({ replays: [] });
  });
});

describe('the trace of an event', () => {
  interface Traced {
    readonly subscription: string;
    readonly state: string;
    readonly tries: number | null;
    readonly last: string | null;
  }

  async function traced(hub: SubscriptionHub, event: string): Promise<readonly Traced[]> {
    return (await hub.ask('GET', `/v1/events/${event}/deliveries`)).body['deliveries'] as readonly Traced[];
  }

  /** Delivery states by the path of the subscription. */
  async function states(hub: SubscriptionHub, event: string): Promise<Readonly<Record<string, string>>> {
    const traces = await traced(hub, event);
    return Object.fromEntries(traces.map(({ subscription, state }) => [`/v1/subscriptions/${subscription}`, state]));
  }

  test('contains who received it, when, and after how many attempts', async () => {
    const hub = await openSubscriptionHub();
    const healthy = await webhook(hub, await openEndpoint());
    const failing = await webhook(hub, await FAILING());
    const event = await hub.publish('a', 1);
    await waitUntil(async () =>
      expect(await states(hub, event)).toEqual({ [healthy]: 'delivered', [failing]: 'dead-letter' }),
    );
    const { body } = await hub.ask('GET', `/v1/events/${event}/deliveries`);
    expect(body['event']).toBe(event);
    expect(body['deliveries']).toContainEqual({
      subscription: healthy.split('/').at(-1),
      state: 'delivered',
      tries: 1,
      first: expect.any(String),
      last: expect.any(String),
      due: null,
      attempts: [expect.objectContaining({ event, outcome: 'delivered' })],
    });
    expect(await traced(hub, await hub.publish('elsewhere', 1))).toEqual([]);
  });

  test('counts the attempts before and after the retry of a dead letter, as does the explanation', async () => {
    const hub = await openSubscriptionHub();
    let status = 500;
    const endpoint = await openEndpoint((_received, response) => void response.writeHead(status).end());
    const path = await webhook(hub, endpoint);
    const event = await hub.publish('a', 1);
    const retry = async (): Promise<void> => {
      await waitUntil(async () => expect(await states(hub, event)).toEqual({ [path]: 'dead-letter' }));
      await hub.ask('POST', `${path}/dead-letters/retry`);
    };
    await retry();
    await waitUntil(() => expect(endpoint.received).toHaveLength(2));
    status = 200;
    await retry();
    await waitUntil(async () => expect(await traced(hub, event)).toMatchObject([{ state: 'delivered', tries: 3 }]));
    const query = new URLSearchParams({ event, subscription: path.split('/').at(-1) as string });
    const { body } = await hub.ask('GET', `/v1/explain?${query.toString()}`);
    expect(body['sentence']).toMatch(/accepted the event at .*, at attempt 3\.$/);
    const steps = body['steps'] as readonly { readonly text: string }[];
    const attempts = steps.flatMap(({ text }) => /^Attempt \d+/.exec(text)?.[0] ?? []);
    expect(attempts).toEqual(['Attempt 1', 'Attempt 2', 'Attempt 3']);
  });

  test('finds each event of a batch', async () => {
    const hub = await openSubscriptionHub();
    const path = await webhook(hub, await openEndpoint(), { batch: { countMax: 3, waitMs: 60_000 } });
    const events = [await hub.publish('a', 1), await hub.publish('a.b', 2), await hub.publish('a', 3)];
    for (const event of events) {
      await waitUntil(async () => expect(await states(hub, event)).toEqual({ [path]: 'delivered' }));
      const [traces] = await traced(hub, event);
      expect(traces).toMatchObject({ tries: 1, attempts: [{ event: events[0], count: 3 }] });
      expect(await attemptsOf(hub, path, `?event=${event}`)).toHaveLength(1);
    }
  });

  test('shows an event that waits: for its time, behind another of its channel, or for a paused subscription', async () => {
    const hub = await openSubscriptionHub();
    const failing = await webhook(hub, await FAILING(), { retryDelaysSeconds: [600] });
    const paused = await webhook(hub, await openEndpoint());
    await hub.ask('POST', `${paused}/pause`);
    const [first, second] = [await hub.publish('a', 1), await hub.publish('a', 2)];
    await waitUntil(async () => expect(await states(hub, first)).toEqual({ [failing]: 'trying', [paused]: 'waiting' }));
    await waitUntil(async () => expect((await hub.ask('GET', failing)).body['backlog']).toMatchObject({ failing: 1 }));
    expect(await states(hub, second)).toEqual({ [failing]: 'waiting', [paused]: 'waiting' });
    await hub.ask('POST', `${paused}/resume`);
    await waitUntil(async () =>
      expect(await states(hub, second)).toEqual({ [failing]: 'waiting', [paused]: 'delivered' }),
    );
  });

  test('shows its lease and its acknowledgement; subscriptions with other filters or later starts are not listed', async () => {
    const hub = await openSubscriptionHub();
    const before = await hub.publish('a', 0);
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'pull' } });
    await hub.create({ channels: ['a'], filter: { equals: ['/data', 2] }, delivery: { kind: 'pull' } });
    const path = `/v1/subscriptions/${String(id)}`;
    const event = await hub.publish('a', 1);
    expect(await states(hub, event)).toEqual({ [path]: 'waiting' });
    const { events } = (await hub.ask('POST', `${path}/pull`)).body as { events: { lease: string }[] };
    expect(await states(hub, event)).toEqual({ [path]: 'leased' });
    await hub.ask('POST', `${path}/ack`, { leases: events.map(({ lease }) => lease) });
    expect(await states(hub, event)).toEqual({ [path]: 'done' });
    expect(await traced(hub, before)).toEqual([]);
  });

  test('reports the number, time and end of leases of an event; of a done event it reports nothing', async () => {
    const hub = await openSubscriptionHub();
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'pull', leaseSeconds: 60 } });
    const path = `/v1/subscriptions/${String(id)}`;
    const pull = async (waitSeconds: number): Promise<{ lease: string; leaseEnds: string }> => {
      const { body } = await hub.ask('POST', `${path}/pull`, { waitSeconds });
      return (body['events'] as [{ lease: string; leaseEnds: string }])[0];
    };
    const event = await hub.publish('a', 1);
    const behind = await hub.publish('a', 2);
    const first = await pull(0);
    const [leased] = await traced(hub, event);
    const time = expect.stringMatching(/^20\d{2}-.*Z$/);
    expect(leased).toEqual({
      subscription: id,
      state: 'leased',
      tries: 1,
      first: time,
      last: time,
      due: first.leaseEnds,
      attempts: [],
    });
    const untried = { state: 'waiting', tries: 0, first: null, last: null, due: null };
    expect(await traced(hub, behind)).toMatchObject([untried]);
    await hub.ask('POST', `${path}/nack`, { leases: [first.lease] });
    const { lease, leaseEnds } = await pull(60);
    const second = { state: 'leased', tries: 2, first: null, last: time, due: leaseEnds };
    expect(await traced(hub, event)).toMatchObject([second]);
    await hub.ask('POST', `${path}/ack`, { leases: [lease] });
    const unknown = { state: 'done', tries: null, first: null, last: null, due: null, attempts: [] };
    expect(await traced(hub, event)).toEqual([{ subscription: id, ...unknown }]);
    // Longer than the test takes: the event is due without a worker, too.
    const held = await pull(60);
    const [heldTrace] = await traced(hub, behind);
    await hub.ask('POST', `${path}/nack`, { leases: [held.lease], delaySeconds: 3600 });
    expect(await traced(hub, behind)).toMatchObject([{ state: 'trying', tries: 1, last: heldTrace?.last, due: time }]);
  });

  test.each(['x', 'zzzzzzzzzz'])('of %s is refused', async (id) => {
    const hub = await openSubscriptionHub();
    const { status, body } = await hub.ask('GET', `/v1/events/${id}/deliveries`);
    expect([status, body['code']]).toEqual([400, 'invalid_cursor']);
  });
});
