import { expect, test } from 'vitest';
import {
  deadLetters,
  doneBy,
  isPoison,
  leasedEarly,
  mismatched,
  publishedBy,
  subscribe,
} from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { Publisher } from '../kit/clients/publishers.ts';
import { Seeded } from '../kit/seeded.ts';
import { BACKLOG_TIMEOUT_MS, pause, until } from '../kit/wait.ts';
import { Worker, type Delivery, type WorkerOptions } from '../kit/clients/workers.ts';

/** `POLYCAST_HEAVY=1` kills ten times as often. */
const KILLS = process.env['POLYCAST_HEAVY'] === undefined ? 20 : 200;
const LIFE_MS_MAX = 600;
const CHANNELS = ['jobs.1', 'jobs.2', 'jobs.3.a', 'jobs.3.b'];
const LEASE_SECONDS = 2;
/**
 * A kill, or a machine that stands still for a lease, costs an event one of its deliveries. What
 * workers accept must not become a dead letter by that.
 */
const POOR_DELIVERIES_MAX = 6;
/** The time by which a lease may seem shorter to a worker that received its answer late. */
const SLACK_MS = 50;

test(
  `after ${KILLS} kills while workers pull, a hub has skipped no acknowledged event and lost no dead letter`,
  { timeout: KILLS * 20_000 + 120_000 },
  async () => {
    const seeded = new Seeded();
    const message = `seed ${seeded.seed}`;
    const data = temporaryFolder('pull-kill');
    let hub = await startHubProcess({ data });
    const { url, port } = hub;
    let life = 0;
    const create = (ordering: string, deliveriesMax: number): Promise<string> => {
      const delivery = { kind: 'pull', leaseSeconds: LEASE_SECONDS, deliveriesMax };
      return subscribe(url, { channels: ['jobs.>'], ordering, delivery });
    };
    const queues = {
      ordered: await create('per-channel', 1000),
      loose: await create('none', 1000),
      poor: await create('none', POOR_DELIVERIES_MAX),
    };
    const work = (subscription: string, decide: WorkerOptions['decide']): Worker =>
      new Worker({ hub: url, subscription, count: 8, leaseSeconds: LEASE_SECONDS, life: () => life, decide });
    // Some workers die during an event now and then, so that its lease has to expire.
    const careless: WorkerOptions['decide'] = () => (seeded.below(100) === 0 ? 'lose' : 'ack');
    const workers = {
      ordered: Array.from({ length: 3 }, () => work(queues.ordered, careless)),
      loose: Array.from({ length: 3 }, () => work(queues.loose, careless)),
      poor: Array.from({ length: 2 }, () => work(queues.poor, ({ event }) => (isPoison(event.data) ? 'nack' : 'ack'))),
    };
    const publishers = Array.from({ length: 3 }, (_, index) => new Publisher(url, `p${index}`, CHANNELS, 'single'));

    const seenDead = new Set<string>();
    for (let kill = 0; kill < KILLS; kill++) {
      await pause(seeded.below(LIFE_MS_MAX));
      // Each id in the list was acknowledged durably, or will be reported again.
      if (kill % 4 === 3) for (const event of await deadLetters(url, queues.poor)) seenDead.add(event);
      await hub.end('SIGKILL');
      life++;
      hub = await startHubProcess({ data, port });
    }
    // On a slow machine each hub publishes little before its kill, so the last one runs until
    // enough is published.
    await until('enough has been published', () => publishedBy(publishers).size > KILLS * 5);
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    const published = publishedBy(publishers);
    const all = Object.values(workers).flat();
    const deliveriesOf = (name: keyof typeof workers): Delivery[] =>
      workers[name].flatMap((worker) => worker.deliveries);
    const isFinished = (name: keyof typeof workers, given: ReadonlySet<string>): boolean => {
      const done = doneBy(workers[name]);
      return [...published.keys()].every((id) => done.has(id) || given.has(id));
    };
    await until(
      'all is done, or given up on',
      async () => {
        await pause(200);
        const given = new Set(await deadLetters(url, queues.poor));
        return isFinished('ordered', NONE) && isFinished('loose', NONE) && isFinished('poor', given);
      },
      BACKLOG_TIMEOUT_MS,
    );
    await Promise.all(all.map((worker) => worker.stop()));
    const dead = await deadLetters(url, queues.poor);
    await hub.end('SIGTERM');

    expect(published.size, message).toBeGreaterThan(KILLS * 5);
    expect(
      [...publishers, ...all].flatMap(({ errors }) => errors),
      message,
    ).toEqual([]);
    const poison = [...published].flatMap(([id, payload]) => (isPoison(payload) ? [id] : []));
    expect(new Set(dead), `dead letters, ${message}`).toEqual(new Set(poison));
    expect(
      [...seenDead].filter((event) => !dead.includes(event)),
      `dead letters lost, ${message}`,
    ).toEqual([]);
    for (const name of Object.keys(workers) as (keyof typeof workers)[]) {
      const deliveries = deliveriesOf(name);
      expect(leasedTwice(deliveries), `leased twice, ${name}, ${message}`).toEqual([]);
      expect(mismatched(deliveries, published), `another event, ${name}, ${message}`).toEqual([]);
    }
    expect(leasedEarly(deliveriesOf('ordered')), `out of order, ${message}`).toEqual([]);
  },
);

const NONE: ReadonlySet<string> = new Set();

/**
 * Pairs of deliveries of one event within one life of the hub, where the later one came during the
 * lease of the earlier one.
 */
function leasedTwice(deliveries: readonly Delivery[]): string[] {
  const last = new Map<string, Delivery>();
  const found: string[] = [];
  for (const delivery of deliveries.toSorted((one, other) => one.gotMs - other.gotMs)) {
    const before = last.get(delivery.id);
    last.set(delivery.id, delivery);
    if (before === undefined || before.life !== delivery.life) continue;
    const freeMs = Math.min(before.askedMs + LEASE_SECONDS * 1000 - SLACK_MS, before.settledMs);
    if (delivery.gotMs < freeMs) found.push(`${delivery.id} after ${delivery.gotMs - before.gotMs} ms`);
  }
  return found;
}
