import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  deadLetters,
  doneBy,
  doneIn,
  isPoison,
  leasedEarly,
  mismatched,
  notReplayed,
  post,
  publishedBy,
  sentEarly,
  subscribe,
} from '../kit/clients/delivery-checks.ts';
import { Endpoint } from '../kit/clients/endpoint.ts';
import { Publisher } from '../kit/clients/publishers.ts';
import { Worker } from '../kit/clients/workers.ts';
import { polycast } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered, call } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { NATS_SERVER, startBrokers, type Brokers } from '../kit/brokers.ts';
import { pause, until } from '../kit/wait.ts';

/**
 * Subscriptions of whole hubs, each a process, on a real broker.
 * The hub that works on them is killed.
 */
const CHANNELS = Array.from({ length: 24 }, (_, index) => `orders.${index}`);

interface TestHub {
  readonly data: string;
  readonly process: HubProcess;
}

async function startHub(
  { settings }: Brokers,
  { data, port }: { readonly data: string; readonly port?: number },
): Promise<TestHub> {
  const hub = await startHubProcess({ data, ...(port !== undefined && { port }), config: { cluster: settings } });
  onTestFinished(async () => void (await hub.end('SIGKILL')));
  return { data, process: hub };
}

/** Whether the hub works on subscriptions, by its own metrics. */
async function isOwner({ process: { url } }: TestHub): Promise<boolean> {
  const page = await call(`${url}/metrics`).catch(() => undefined);
  return /^polycast_cluster_subscription_owner 1$/m.test(page?.text ?? '');
}

/** The index of the hub that works on subscriptions. */
async function ownerOf(hubs: readonly TestHub[]): Promise<number> {
  let index = -1;
  await until('one hub works on subscriptions', async () => {
    const owners = await Promise.all(hubs.map((hub) => isOwner(hub)));
    index = owners.indexOf(true);
    return index >= 0 && owners.filter(Boolean).length === 1;
  });
  return index;
}

interface ClusterStatus {
  readonly hubs: readonly { readonly hub: string; readonly differs: boolean; readonly subscriptionOwner?: string }[];
}

describe.skipIf(NATS_SERVER === undefined)('subscriptions of a cluster', () => {
  test('webhooks and pulls of events of all hubs go on in order when the hub that works is killed, and when it is drained', async () => {
    const brokers = await startBrokers({ count: 1 });
    onTestFinished(() => brokers.end());
    const hubs: TestHub[] = [];
    for (let count = 0; count < 3; count++) hubs.push(await startHub(brokers, { data: temporaryFolder('hub') }));
    const urls = hubs.map(({ process: { url } }) => url) as [string, string, string];
    const endpoint = await Endpoint.open((path, payload) => (path === '/poor' && isPoison(payload) ? 500 : 204));
    onTestFinished(() => endpoint.close());
    const webhook = (path: string, retryDelaysSeconds: readonly number[]): object => ({
      kind: 'webhook',
      url: `${endpoint.url}${path}`,
      retryDelaysSeconds,
    });
    const definition = { channels: ['orders.>'], ordering: 'per-channel' };
    const [one, two, three] = urls;
    const ordered = await subscribe(one, { ...definition, delivery: webhook('/ordered', [1, 1, 1, 1, 1]) });
    const poor = await subscribe(two, { channels: ['orders.>'], ordering: 'none', delivery: webhook('/poor', []) });
    const queue = await subscribe(three, { ...definition, delivery: { kind: 'pull', leaseSeconds: 3 } });
    for (const url of urls) {
      const reply = await answered(() => call(`${url}/v1/subscriptions`));
      expect(
        reply
          .json<{ subscriptions: { id: string }[] }>()
          .subscriptions.map(({ id }) => id)
          .toSorted(),
      ).toEqual([ordered, poor, queue].toSorted());
    }

    let life = 0;
    const workers = urls.map(
      (hub) =>
        new Worker({ hub, subscription: queue, count: 20, leaseSeconds: 3, life: () => life, decide: () => 'ack' }),
    );
    const publishers = urls.map((url, index) => new Publisher(url, `p${index}`, CHANNELS, 'single'));
    /** A request that was under way arrives within the first moment. */
    const deliveredPast = async (what: string): Promise<string> => {
      const startMs = performance.now();
      const sinceStart = (): string => `${Math.round(performance.now() - startMs)} ms`;
      const webhooks = until(`webhooks ${what}`, () =>
        endpoint.received.some(({ path, atMs }) => path === '/ordered' && atMs > startMs + 250),
      ).then(sinceStart);
      const pulls = until(`pulls ${what}`, () =>
        workers.some(({ deliveries }) => (deliveries.at(-1)?.gotMs ?? 0) > startMs + 250),
      ).then(sinceStart);
      return `webhooks ${await webhooks}, pulls ${await pulls}`;
    };
    await deliveredPast('begin');

    const killed = await ownerOf(hubs);
    life++;
    await (hubs[killed] as TestHub).process.end('SIGKILL');
    console.log(`after the kill of their hub: ${await deliveredPast('go on after the kill')}`);
    const { data, process: before } = hubs[killed] as TestHub;
    hubs[killed] = await startHub(brokers, { data, port: before.port });

    const drained = await ownerOf(hubs);
    expect(drained).not.toBe(killed);
    life++;
    const ended = (hubs[drained] as TestHub).process.end('SIGTERM');
    console.log(`after the drain of their hub: ${await deliveredPast('go on after the drain')}`);
    expect(await ended).toBe(0);
    const { data: folder, process: last } = hubs[drained] as TestHub;
    hubs[drained] = await startHub(brokers, { data: folder, port: last.port });
    expect(await ownerOf(hubs)).not.toBe(drained);

    await Promise.all(publishers.map((publisher) => publisher.stop()));
    const published = publishedBy(publishers);
    await until('all is delivered, or given up on', async () => {
      await pause(100);
      const done = [doneIn(endpoint.received, '/ordered'), doneBy(workers), doneIn(endpoint.received, '/poor')];
      return [...published].every(
        ([id, payload]) => done.slice(0, 2).every((each) => each.has(id)) && (isPoison(payload) || done[2]?.has(id)),
      );
    });
    const poison = new Set([...published].flatMap(([id, payload]) => (isPoison(payload) ? [id] : [])));
    for (const url of urls)
      await until('the dead letters are seen at every hub', async () => {
        const dead = new Set(await deadLetters(url, poor));
        return dead.size === poison.size && [...poison].every((id) => dead.has(id));
      });
    await Promise.all(workers.map((worker) => worker.stop()));
    const elsewhere = urls[((await ownerOf(hubs)) + 1) % urls.length] as string;
    const replayedMs = performance.now();
    const reply = await post(`${elsewhere}/v1/subscriptions/${ordered}/replay`, { after: 'earliest' });
    expect(reply.status, reply.text).toBe(202);
    const replay = { ...reply.json<{ id: string; through: string }>(), atMs: replayedMs };
    await until('the replay is done', async () => {
      const page = await answered(() => call(`${elsewhere}/v1/subscriptions/${ordered}/replays`));
      return page.json<{ replays: { done: boolean }[] }>().replays.every(({ done }) => done);
    });

    expect(publishers.flatMap(({ errors }) => errors)).toEqual([]);
    expect(workers.flatMap(({ errors }) => errors)).toEqual([]);
    expect(mismatched(endpoint.received, published)).toEqual([]);
    const live = endpoint.received.filter(({ path, atMs }) => path === '/ordered' && atMs < replayedMs);
    expect(sentEarly(live)).toEqual([]);
    expect(leasedEarly(workers.flatMap(({ deliveries }) => deliveries))).toEqual([]);
    expect(notReplayed(replay, published, endpoint.received, '/ordered')).toEqual([]);

    const config = join(temporaryFolder('config'), 'polycast.yaml');
    writeFileSync(config, JSON.stringify({ data: temporaryFolder('hub'), cluster: brokers.settings }));
    let found: ClusterStatus = { hubs: [] };
    // It listens for some seconds, in which a busy machine may send no beat, or a busy broker no
    // answer. It then ends with 1.
    await until('the status shows all hubs', async () => {
      const status = await polycast(['cluster', 'status', '--json', '--config', config]);
      expect([0, 1], status.err).toContain(status.code);
      found = JSON.parse(status.out) as ClusterStatus;
      return status.code === 0 && found.hubs.length >= urls.length;
    });
    expect(found.hubs.map(({ differs }) => differs)).toEqual([false, false, false]);
    const owners = new Set(found.hubs.map(({ subscriptionOwner }) => subscriptionOwner));
    expect(owners.size).toBe(1);
    expect(found.hubs.map(({ hub }) => hub)).toContain([...owners][0]);
  });
});
