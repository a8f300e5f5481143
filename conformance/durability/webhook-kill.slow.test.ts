import { expect, onTestFinished, test } from 'vitest';
import {
  deadLetters,
  doneIn,
  forgetInFlight,
  isPoison,
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

/** `POLYCAST_HEAVY=1` kills ten times as often. */
const KILLS = process.env['POLYCAST_HEAVY'] === undefined ? 20 : 200;
const LIFE_MS_MAX = 600;
/** One kill in this many leaves the record of crashes for the next hub. */
const CAREFUL_EVERY = 4;
const CHANNELS = ['orders.1', 'orders.2', 'orders.3.a', 'orders.3.b'];
const RETRIES = Array.from({ length: 30 }, () => 1);

test(
  `after ${KILLS} kills during webhooks and replays, a hub has skipped no event, kept each channel's order and lost no dead letter`,
  { timeout: KILLS * 20_000 + 120_000 },
  async () => {
    const seeded = new Seeded();
    const message = `seed ${seeded.seed}`;
    const data = temporaryFolder('webhook-kill');
    const endpoint = await Endpoint.open((path, payload) => {
      if (path === '/poor') return isPoison(payload) ? 500 : 204;
      // A channel in order waits a second for each failure.
      const chance = seeded.below(path === '/ordered' ? 1000 : 200);
      return chance < 2 ? 0 : chance < 4 ? 500 : chance < 5 ? 503 : 204;
    });
    onTestFinished(() => endpoint.close());
    let hub = await startHubProcess({ data });
    const { url, port } = hub;
    const create = (path: string, ordering: string, retryDelaysSeconds: readonly number[]): Promise<string> => {
      const delivery = { kind: 'webhook', url: `${endpoint.url}${path}`, retryDelaysSeconds };
      return subscribe(url, { channels: ['orders.>'], ordering, delivery });
    };
    await create('/ordered', 'per-channel', RETRIES);
    const loose = await create('/loose', 'none', RETRIES);
    const poor = await create('/poor', 'none', []);
    const publishers = Array.from({ length: 3 }, (_, index) => new Publisher(url, `p${index}`, CHANNELS, 'single'));

    const seenDead = new Set<string>();
    const replays: Replay[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const { length } = endpoint.received;
      await until('webhooks are sent in this life', () => endpoint.received.length > length);
      await pause(seeded.below(LIFE_MS_MAX));
      if (kill % 5 === 2) {
        const atMs = performance.now();
        const reply = await post(`${url}/v1/subscriptions/${loose}/replay`, { after: 'earliest' });
        if (reply.status === 202) replays.push({ ...reply.json<{ id: string; through: string }>(), atMs });
      }
      if (kill % 4 === 3) for (const event of await deadLetters(url, poor)) seenDead.add(event);
      await hub.end('SIGKILL');
      if (kill % CAREFUL_EVERY > 0) forgetInFlight(data);
      hub = await startHubProcess({ data, port });
    }
    // On a slow machine each hub publishes little before its kill, so the last one runs until
    // enough is published.
    await until('enough has been published', () => publishedBy(publishers).size > KILLS * 5);
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    const published = publishedBy(publishers);
    const poison = [...published].flatMap(([id, payload]) => (isPoison(payload) ? [id] : []));
    await until(
      'all is delivered, or given up on',
      async () => {
        await pause(200);
        const given = new Set(await deadLetters(url, poor));
        const isDelivered = (path: string): boolean => {
          const done = doneIn(endpoint.received, path);
          return [...published.keys()].every((id) => done.has(id) || (path === '/poor' && given.has(id)));
        };
        return ['/ordered', '/loose', '/poor'].every(isDelivered);
      },
      BACKLOG_TIMEOUT_MS,
    );
    await until(
      'all replays are done',
      async () => {
        await pause(200);
        const reply = await call(`${url}/v1/subscriptions/${loose}/replays`);
        return reply.json<{ replays: { done: boolean }[] }>().replays.every(({ done }) => done);
      },
      BACKLOG_TIMEOUT_MS,
    );
    const dead = await deadLetters(url, poor);
    await hub.end('SIGTERM');

    expect(published.size, message).toBeGreaterThan(KILLS * 5);
    expect(replays.length, message).toBeGreaterThan(0);
    expect(
      publishers.flatMap(({ errors }) => errors),
      message,
    ).toEqual([]);
    expect(new Set(dead), `dead letters, ${message}`).toEqual(new Set(poison));
    const lostDead = [...seenDead].filter((event) => !dead.includes(event));
    expect(lostDead, `dead letters lost, ${message}`).toEqual([]);
    expect(mismatched(endpoint.received, published), `another event, ${message}`).toEqual([]);
    expect(sentEarly(endpoint.received.filter(({ path }) => path === '/ordered')), `out of order, ${message}`).toEqual(
      [],
    );
    for (const replay of replays) {
      const missing = notReplayed(replay, published, endpoint.received, '/loose');
      expect(missing, `not sent again by ${replay.id}, ${message}`).toEqual([]);
    }
  },
);
