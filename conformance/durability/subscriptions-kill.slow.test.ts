import { expect, onTestFinished, test } from 'vitest';
import {
  deadLetters,
  doneBy,
  doneIn,
  forgetInFlight,
  isPoison,
  leasedEarly,
  mismatched,
  notReplayed,
  post,
  publishedBy,
  sentEarly,
  subscribe,
  type Replay,
} from '../kit/clients/delivery-checks.ts';
import { Endpoint } from '../kit/clients/endpoint.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { Publisher } from '../kit/clients/publishers.ts';
import { Seeded } from '../kit/seeded.ts';
import { BACKLOG_TIMEOUT_MS, pause, until } from '../kit/wait.ts';
import { Worker, type WorkerOptions } from '../kit/clients/workers.ts';

const KILLS = 20;
const LIFE_MS_MAX = 400;
const CHANNELS = ['work.1', 'work.2', 'work.3.a', 'work.3.b', 'work.4', 'work.5'];
const RETRIES = Array.from({ length: 30 }, () => 1);
const LEASE_SECONDS = 2;
/**
 * A kill, or a machine that stands still for a lease, costs an event one of its deliveries. What
 * workers accept must not become a dead letter by that.
 */
const POOR_DELIVERIES_MAX = 6;
/** The number of events before the first kill, enough for a replay to take a while. */
const EVENTS_MIN = 600;
/** The least number of kills during a replay. */
const KILLS_IN_REPLAYS_MIN = KILLS * 0.75;

test(`after ${KILLS} kills during a webhook, a queue and a replay, a hub has skipped no event, kept the order and lost no dead letter`, async () => {
  const seeded = new Seeded();
  const message = `seed ${seeded.seed}`;
  const data = temporaryFolder('subscriptions-kill');
  const endpoint = await Endpoint.open((path, payload) => {
    if (path === '/poor') return isPoison(payload) ? 500 : 204;
    return seeded.below(1000) === 0 ? seeded.pick([0, 500, 503]) : 204;
  });
  onTestFinished(() => endpoint.close());
  let life = 0;
  let hub = await startHubProcess({ data });
  const { url, port } = hub;
  const create = (ordering: string, delivery: object, definition: object = {}): Promise<string> =>
    subscribe(url, { channels: ['work.>'], ordering, delivery, ...definition });
  const webhook = (path: string, retryDelaysSeconds: readonly number[]): object => {
    return { kind: 'webhook', url: `${endpoint.url}${path}`, retryDelaysSeconds };
  };
  const pull = { kind: 'pull', leaseSeconds: LEASE_SECONDS };
  const lists = {
    endpoint: await create('none', webhook('/poor', [])),
    queue: await create('none', { ...pull, deliveriesMax: POOR_DELIVERIES_MAX }),
  };
  await create('per-channel', webhook('/ordered', RETRIES));
  const replayed = await create('none', webhook('/replayed', RETRIES), { concurrencyMax: 1 });
  const ordered = await create('per-channel', { ...pull, deliveriesMax: 1000 });
  const work = (subscription: string, count: number, decide: WorkerOptions['decide']): Worker =>
    new Worker({ hub: url, subscription, count, leaseSeconds: LEASE_SECONDS, life: () => life, decide });
  // A worker that dies during an event blocks its channel until the lease expires.
  const careless: WorkerOptions['decide'] = () => (seeded.below(500) === 0 ? 'lose' : 'ack');
  const queue = Array.from({ length: 3 }, () => work(ordered, 8, careless));
  const poor = work(lists.queue, 50, ({ event }) => (isPoison(event.data) ? 'nack' : 'ack'));
  const publishers = Array.from({ length: 2 }, (_, index) => new Publisher(url, `p${index}`, CHANNELS, 'single'));
  const publishedCount = (): number => publishers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);

  const replays: Replay[] = [];
  const replaysUnderWay = async (): Promise<number> => {
    const reply = await call(`${url}/v1/subscriptions/${replayed}/replays`);
    return reply.json<{ replays: { done: boolean }[] }>().replays.filter(({ done }) => !done).length;
  };
  const seenDead = { endpoint: new Set<string>(), queue: new Set<string>() };
  let killsInReplays = 0;
  // Each of two publishers waits for a sync of the disk after each event.
  await until('there is something to replay', () => publishedCount() >= EVENTS_MIN, BACKLOG_TIMEOUT_MS);
  const replayIfNone = async (): Promise<void> => {
    if ((await replaysUnderWay()) > 0) return;
    const atMs = performance.now();
    const reply = await post(`${url}/v1/subscriptions/${replayed}/replay`, { after: 'earliest' });
    expect(reply.status, reply.text).toBe(202);
    replays.push({ ...reply.json<{ id: string; through: string }>(), atMs });
  };
  for (let kill = 0; kill < KILLS; kill++) {
    await replayIfNone();
    const { length } = endpoint.received;
    await until('webhooks are sent in this life', () => endpoint.received.length > length);
    await pause(seeded.below(LIFE_MS_MAX));
    for (const [name, subscription] of Object.entries(lists) as ['endpoint' | 'queue', string][])
      if (kill % 4 === 3) for (const event of await deadLetters(url, subscription)) seenDead[name].add(event);
    // It may have ended meanwhile.
    await replayIfNone();
    if ((await replaysUnderWay()) > 0) killsInReplays++;
    await hub.end('SIGKILL');
    forgetInFlight(data);
    life++;
    hub = await startHubProcess({ data, port });
  }
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  const published = publishedBy(publishers);
  const missing = async (): Promise<Record<string, number>> => {
    const [endpointDead, queueDead] = [await deadLetters(url, lists.endpoint), await deadLetters(url, lists.queue)];
    const left = (...done: readonly Iterable<string>[]): number => {
      const all = new Set(done.flatMap((one) => [...one]));
      return [...published.keys()].filter((id) => !all.has(id)).length;
    };
    return {
      ordered: left(doneIn(endpoint.received, '/ordered')),
      replayed: left(doneIn(endpoint.received, '/replayed')),
      endpoint: left(doneIn(endpoint.received, '/poor'), endpointDead),
      pulled: left(doneBy(queue)),
      queue: left(doneBy([poor]), queueDead),
      replays: await replaysUnderWay(),
    };
  };
  await until(
    'every event is delivered or given up on, and every replay done',
    async () => {
      await pause(200);
      return Object.values(await missing()).every((count) => count === 0);
    },
    BACKLOG_TIMEOUT_MS,
  ).catch(async (error: unknown) => expect(await missing(), `${String(error)}, ${message}`).toEqual({}));
  const dead = { endpoint: await deadLetters(url, lists.endpoint), queue: await deadLetters(url, lists.queue) };
  await Promise.all([...queue, poor].map((worker) => worker.stop()));
  await hub.end('SIGTERM');

  expect(killsInReplays, message).toBeGreaterThanOrEqual(KILLS_IN_REPLAYS_MIN);
  const errors = [...publishers, ...queue, poor].flatMap((each) => each.errors);
  expect(errors, message).toEqual([]);
  const poison = [...published].flatMap(([id, payload]) => (isPoison(payload) ? [id] : []));
  for (const name of ['endpoint', 'queue'] as const) {
    expect(new Set(dead[name]), `dead letters of the ${name}, ${message}`).toEqual(new Set(poison));
    expect(
      [...seenDead[name]].filter((event) => !dead[name].includes(event)),
      `lost, ${message}`,
    ).toEqual([]);
  }
  const got = [...endpoint.received, ...[...queue, poor].flatMap(({ deliveries }) => deliveries)];
  expect(mismatched(got, published), `another event, ${message}`).toEqual([]);
  expect(sentEarly(endpoint.received.filter(({ path }) => path === '/ordered')), `sent, ${message}`).toEqual([]);
  expect(leasedEarly(queue.flatMap(({ deliveries }) => deliveries)), `leased, ${message}`).toEqual([]);
  for (const replay of replays) {
    const skipped = notReplayed(replay, published, endpoint.received, '/replayed');
    expect(skipped, `not sent again by ${replay.id}, ${message}`).toEqual([]);
  }
});
