import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from '../testing/subscription-hub.ts';

type MetricValues = Readonly<Record<string, number>>;

/** The values of `/metrics`, by name and labels. */
async function readMetrics(hub: SubscriptionHub): Promise<MetricValues> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

/** The values of one metric, by its label. */
function byLabel(values: MetricValues, name: string): MetricValues {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) =>
      key.startsWith(`${name}{`) ? [[/="(.*)"/.exec(key)?.[1] as string, value] as const] : [],
    ),
  );
}

/** Milliseconds since 1970 by the hub's clock. */
async function hubTimeMs(hub: SubscriptionHub): Promise<number> {
  const { body } = await hub.ask('POST', '/v1/events', { channel: 'clock', data: 0 });
  return Date.parse(body['time'] as string);
}

test('requests to endpoints are counted by outcome, with events, retries, dead letters and durations', async () => {
  const hub = await openSubscriptionHub({}, 20);
  const asked = new Map<unknown, number>();
  // The event's data says how each attempt is answered.
  const endpoint = await openEndpoint(({ body, headers }, response) => {
    const { data } = JSON.parse(body) as { data?: readonly number[] };
    const count = asked.get(headers['webhook-id']) ?? 0;
    asked.set(headers['webhook-id'], count + 1);
    response.writeHead(data?.[count] ?? 204).end();
  });
  const create = (channel: string, delivery: object): Promise<unknown> =>
    hub.create({ channels: [channel], ordering: 'none', delivery: { kind: 'webhook', ...delivery } });
  await create('one', { url: endpoint.url, retryDelaysSeconds: [1, 1] });
  await create('three', { url: endpoint.url, batch: { countMax: 3, waitMs: 60_000 } });
  await create('nobody', { url: 'http://127.0.0.1:9/', retryDelaysSeconds: [] });
  for (const answers of [[204], [204], [204], [500, 204], [503, 204], [302, 204], [500, 404, 500]])
    await hub.publish('one', answers);
  // In one request: a pause between them would be longer than the batch waits.
  const three = Array.from({ length: 3 }, () => ({ channel: 'three', data: [204] }));
  expect((await hub.ask('POST', '/v1/events', three)).status).toBe(200);
  await hub.publish('nobody', null);
  await waitUntil(async () => {
    const figures = await readMetrics(hub);
    expect(byLabel(figures, 'polycast_webhook_requests_total')).toEqual({
      delivered: 3 + 3 + 1,
      refused_status: 1 + 3,
      slowed_down: 1,
      redirected: 1,
      connection: 1,
    });
    expect(figures).toMatchObject({
      polycast_webhook_events_total: 6 + 3,
      polycast_webhook_retries_total: 3 + 2,
      polycast_dead_letters_total: 2,
      polycast_webhook_requests_in_flight: 0,
      polycast_webhook_duration_seconds_count: 14,
      'polycast_webhook_duration_seconds_bucket{le="+Inf"}': 14,
    });
  });
});

test('metrics show requests in flight, their connections, waiting requests and their duration', async () => {
  const hub = await openSubscriptionHub({ outgoing: { connectionsPerHostMax: 2 } });
  const held: ServerResponse[] = [];
  const endpoint = await openEndpoint((_received, response) => void held.push(response));
  for (let count = 0; count < 3; count++)
    await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: `${endpoint.url}/${count}` } });
  const beforeMs = performance.now();
  await hub.publish('a', 1);
  await waitUntil(() => expect(held).toHaveLength(2));
  const heldMs = performance.now();
  await waitUntil(async () => {
    const during = await readMetrics(hub);
    expect(during).toMatchObject({
      polycast_webhook_requests_in_flight: 3,
      polycast_webhook_requests_waiting: 1,
      polycast_webhook_duration_seconds_count: 0,
    });
    expect(byLabel(during, 'polycast_webhook_connections')).toEqual({ busy: 2, idle: 0 });
  });
  const releasedMs = performance.now();
  for (const response of held.splice(0)) response.end();
  await waitUntil(() => expect(held).toHaveLength(1));
  held[0]?.end();
  await waitUntil(async () => {
    const figures = await readMetrics(hub);
    expect(figures).toMatchObject({ polycast_webhook_requests_in_flight: 0, polycast_webhook_requests_waiting: 0 });
    expect(byLabel(figures, 'polycast_webhook_connections')).toEqual({ busy: 0, idle: 2 });
    expect(figures['polycast_webhook_duration_seconds_count']).toBe(3);
  });
  const seconds = (await readMetrics(hub))['polycast_webhook_duration_seconds_sum'] as number;
  expect(seconds).toBeGreaterThanOrEqual((2 * (releasedMs - heldMs)) / 1000);
  expect(seconds).toBeLessThanOrEqual((3 * (performance.now() - beforeMs)) / 1000);
});

test('subscriptions are counted by state; the lag of a state is that of its slowest subscription, in matching events', async () => {
  const hub = await openSubscriptionHub({}, 1000);
  const endpoint = await openEndpoint(({ body }, response) =>
    response.writeHead((JSON.parse(body) as { data: unknown }).data === 'gone' ? 410 : 204).end(),
  );
  const create = async (channel: string): Promise<string> =>
    (await hub.create({ channels: [channel], delivery: { kind: 'webhook', url: endpoint.url } }))['id'] as string;
  const paused = await create('paused');
  await create('well');
  await create('gone');
  await hub.create({ channels: ['jobs'], delivery: { kind: 'pull' } });
  await hub.publish('gone', 'gone');
  await waitUntil(async () =>
    expect(byLabel(await readMetrics(hub), 'polycast_subscriptions')).toEqual({
      pending: 0,
      active: 3,
      paused: 0,
      suspended: 0,
      ended: 1,
    }),
  );
  // The hub stays busy for a while, with events that match none of the subscriptions.
  const startMs = await hubTimeMs(hub);
  await waitUntil(async () => expect((await hubTimeMs(hub)) - startMs).toBeGreaterThan(300_000));
  const quiet = await readMetrics(hub);
  for (const name of ['polycast_subscription_max_lag_events', 'polycast_subscription_max_lag_seconds'])
    expect(byLabel(quiet, name), name).toMatchObject({ active: 0, ended: 0 });

  const beforeMs = await hubTimeMs(hub);
  await hub.ask('POST', `/v1/subscriptions/${paused}/pause`);
  for (const channel of ['paused', 'paused', 'well', 'jobs']) await hub.publish(channel, 1);
  const afterMs = await hubTimeMs(hub);
  await waitUntil(() => expect(endpoint.received).toHaveLength(2));
  // A response that was sent has not necessarily arrived.
  await waitUntil(async () => expect(await readMetrics(hub)).toMatchObject({ polycast_webhook_requests_in_flight: 0 }));
  const askedMs = await hubTimeMs(hub);
  const figures = await readMetrics(hub);
  const endMs = await hubTimeMs(hub);
  expect(byLabel(figures, 'polycast_subscriptions')).toMatchObject({ active: 2, paused: 1, ended: 1 });
  // Each counts the events of its own channels, not those of the whole log.
  expect(byLabel(figures, 'polycast_subscription_max_lag_events')).toMatchObject({ active: 1, paused: 2, ended: 0 });
  const lagSeconds = byLabel(figures, 'polycast_subscription_max_lag_seconds');
  for (const state of ['active', 'paused']) {
    expect(lagSeconds[state], state).toBeGreaterThanOrEqual((askedMs - afterMs) / 1000);
    expect(lagSeconds[state], state).toBeLessThanOrEqual((endMs - beforeMs) / 1000);
  }

  await hub.ask('POST', `/v1/subscriptions/${paused}/resume`);
  await waitUntil(async () =>
    expect(byLabel(await readMetrics(hub), 'polycast_subscription_max_lag_seconds')).toMatchObject({ paused: 0 }),
  );
});

test("leases and acknowledgements of a queue's workers are counted", async () => {
  const hub = await openSubscriptionHub({}, 20);
  const delivery = { kind: 'pull', leaseSeconds: 1, deliveriesMax: 2 };
  const { id } = await hub.create({ channels: ['jobs'], ordering: 'none', delivery });
  for (let count = 0; count < 3; count++) await hub.publish('jobs', count);
  const pull = async (body: object): Promise<readonly string[]> => {
    const reply = await hub.ask('POST', `/v1/subscriptions/${String(id)}/pull`, body);
    return (reply.body['events'] as { lease: string }[]).map(({ lease }) => lease);
  };
  const settle = (word: string, lease: string | undefined): Promise<unknown> =>
    hub.ask('POST', `/v1/subscriptions/${String(id)}/${word}`, { leases: [lease] });
  const [first, second] = await pull({ count: 3, leaseSeconds: 40_000 });
  await settle('ack', first);
  await settle('nack', second);
  const [again] = await pull({ count: 1 });
  expect(again).toBeDefined();
  // The second lease ends by itself.
  await waitUntil(async () => expect(await readMetrics(hub)).toMatchObject({ polycast_dead_letters_total: 1 }));
  const values = await readMetrics(hub);
  expect(values).toMatchObject({ polycast_pull_leases_total: 4, polycast_pull_redeliveries_total: 1 });
  expect(byLabel(values, 'polycast_pull_lease_ends_total')).toEqual({ acknowledged: 1, released: 1, expired: 1 });
});
