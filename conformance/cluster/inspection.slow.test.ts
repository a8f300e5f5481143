import { describe, expect, onTestFinished, test } from 'vitest';
import { clusterSchema } from '../../packages/server/src/administration/cluster-schema.ts';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers, type Brokers, type BrokerOptions } from '../kit/brokers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';

/** `GET /v1/cluster` of whole hubs, each a process, on a real broker. */
interface Answer {
  readonly name: string;
  readonly hub: string;
  readonly subscriptionOwner: string | null;
  readonly unsafe: string | null;
  readonly hubs: readonly {
    readonly hub: string;
    readonly address: string | null;
    readonly state: string;
    readonly ready: boolean | null;
    readonly beatAgeMs: number;
    readonly head: number | null;
    readonly block: number;
    readonly behind: number;
    readonly hash: string;
    readonly sameData: boolean | null;
    readonly work: readonly string[];
    readonly why: string | null;
    readonly sessions: number | null;
  }[];
  readonly brokers: readonly { readonly reachable: boolean }[];
  readonly journal: { readonly first: number; readonly last: number; readonly oldest: string } | null;
  readonly snapshots: readonly object[] | null;
}

async function begin(options?: BrokerOptions): Promise<Brokers> {
  const brokers = await startBrokers({ count: 1, ...options });
  onTestFinished(() => brokers.end());
  return brokers;
}

async function startHub({ settings }: Brokers, key?: string): Promise<UsersHub> {
  const hub = await startUsersHub({ cluster: settings }, { data: temporaryFolder('hub') }, key);
  onTestFinished(() => hub.end());
  return hub;
}

async function read(hub: UsersHub): Promise<Answer> {
  const reply = await hub.request('GET', '/v1/cluster');
  expect(reply.status, reply.text).toBe(200);
  // What the description of the route promises.
  clusterSchema().parse(reply.json());
  return reply.json<Answer>();
}

/** The answer of a hub once it is as expected. */
async function readUntil(what: string, hub: UsersHub, isExpected: (answer: Answer) => boolean): Promise<Answer> {
  let answer: Answer | undefined;
  await until(what, async () => isExpected((answer = await read(hub))));
  return answer as Answer;
}

describe.skipIf(NATS_SERVER === undefined)('the state of a cluster', () => {
  test('each hub shows all hubs, the broker and the journal, and that a hub is gone until another replaces it', async () => {
    const brokers = await begin();
    const one = await startHub(brokers);
    const two = await startHub(brokers, one.key);
    expect((await one.request('POST', '/v1/channels/news/events', { text: 'first' })).status).toBe(201);
    const answers: Answer[] = [];
    for (const hub of [one, two])
      answers.push(
        await readUntil('both hubs are compared and work', hub, (answer) => {
          const { hubs, subscriptionOwner, unsafe, brokers: seen, journal, snapshots } = answer;
          // A broker that is busy for seconds counts as unreachable. The next answer has it.
          if (!seen.every(({ reachable }) => reachable) || journal === null || snapshots === null) return false;
          const isEqual =
            hubs.length === 2 && hubs.every(({ sameData, state }) => sameData === true && state === 'answers');
          // After a start of some seconds, a hub first hears what it may have missed.
          const isReady = hubs.every(({ ready, head }) => ready === true && head === 1);
          return isEqual && isReady && subscriptionOwner !== null && unsafe === null;
        }),
      );
    const [first, second] = answers as [Answer, Answer];
    expect(new Set(answers.map(({ hub }) => hub)).size).toBe(2);
    for (const answer of answers) {
      expect(answer.name).toBe('polycast');
      expect(answer.hubs.map(({ address }) => address).toSorted()).toEqual([one.url, two.url].toSorted());
      expect(answer.hubs.find(({ hub }) => hub === answer.hub)).toMatchObject({
        beatAgeMs: 0,
        sessions: 0,
        ready: true,
      });
      expect(answer.hubs.filter(({ work }) => work.includes('subscriptions'))).toHaveLength(1);
      expect(answer.hubs.filter(({ work }) => work.includes('retention'))).toHaveLength(1);
      for (const { behind, block, hash } of answer.hubs) {
        expect(behind).toBeLessThanOrEqual(answer.journal?.last ?? 0);
        expect(block).toBeGreaterThan(0);
        expect(hash).toMatch(/^[0-9a-f]{8}$/);
      }
      const [broker, ...others] = answer.brokers;
      expect(others).toEqual([]);
      expect(broker).toMatchObject({
        name: 'n0',
        monitoring: new URL(brokers.settings.monitoring[0] ?? '').host,
        reachable: true,
        leader: true,
        replica: true,
        missingBlocks: 0,
        syncAlways: true,
        storageBytes: expect.any(Number),
        storageBytesMax: 2 * 1024 ** 3,
      });
      expect(answer.journal).toMatchObject({ first: 1, replicas: 1, oldest: expect.stringMatching(/^\d{4}-.*Z$/) });
      expect(answer.snapshots).toEqual([]);
    }
    expect(first.hub).not.toBe(second.hub);

    // Answers about one hub name it.
    for (const path of ['/v1/status', '/v1/status/history', '/v1/configuration']) {
      const reply = await two.request('GET', path);
      expect(reply.json<object>(), path).toMatchObject({ cluster: { name: 'polycast', hub: second.hub, hubs: 2 } });
    }
    expect((await two.request('POST', '/v1/reload', {})).json()).toMatchObject({ cluster: { hub: second.hub } });
    expect((await two.request('GET', '/v1/console/session')).json()).toMatchObject({ cluster: 'polycast' });

    // Only administrators see it.
    const anonymous = await fetch(`${one.url}/v1/cluster`);
    expect([anonymous.status, (await anonymous.json()) as object]).toMatchObject([401, { code: 'unauthorized' }]);
    expect((await one.request('GET', '/v1/cluster', undefined, { token: one.token('ann') })).status).toBe(403);
    expect(await (await fetch(`${one.url}/v1/console/session`)).text()).not.toContain('polycast');

    await two.process.end('SIGKILL');
    const state = (answer: Answer, name: string): string | undefined =>
      answer.hubs.find(({ hub }) => hub === name)?.state;
    expect(state(await read(one), second.hub)).not.toBe('answers');
    const after = await readUntil('it is gone', one, (answer) => state(answer, second.hub) === 'gone');
    expect(after.hubs).toHaveLength(2);
    await startHub(brokers, one.key);
    await readUntil('another one replaces it', one, (answer) => state(answer, second.hub) === undefined);
  });

  test('a broker that does not sync is said, and the hub is not ready', async () => {
    const brokers = await begin({ syncAlways: false });
    const hub = await startHub(brokers);
    const lax = await readUntil(
      'the brokers are checked',
      hub,
      ({ unsafe, brokers: seen, hubs }) =>
        unsafe?.includes('sync_interval') === true &&
        seen.every(({ reachable }) => reachable) &&
        hubs.every(({ why }) => why !== 'cluster_silent'),
    );
    expect(lax.unsafe).toBe('the brokers n0 do not have `sync_interval: always`');
    expect(lax.brokers).toMatchObject([{ name: 'n0', syncAlways: false, syncIntervalMs: 120_000 }]);
    expect(lax.hubs).toMatchObject([{ ready: false, why: 'cluster_unsafe', problems: ['cluster_unsafe'] }]);
  });
});
