import assert from 'node:assert/strict';
import { Follower, TRANSPORTS } from '../../kit/clients/followers.ts';
import { Publisher } from '../../kit/clients/publishers.ts';
import { answered, call, publish } from '../../kit/http.ts';
import type { Seeded } from '../../kit/seeded.ts';
import { until } from '../../kit/wait.ts';
import { expectOneHistory, readAll } from '../one-history.ts';
import type { FaultyCluster, FaultyHub } from './faulty-cluster.ts';
import { expectOneData, expectOneHolder } from './one-cluster.ts';
import { FAULTS, PROCESS_FAULTS, STANDSTILLS, UPGRADES } from './random-faults.ts';
import { WatchedDeliveries } from './watched-deliveries.ts';
import { WatchedPresence } from './watched-presence.ts';

const CHANNELS = ['a', 'b.1', 'b.2'];
const PATTERNS = ['a', 'b.>'];
/** Nobody reads it: its events show whether a hub accepts any. */
const TRIED_CHANNEL = 'tried';
/** A fault that takes longer has found a defect. */
const PROGRESS_MAX_MS = 120_000;
/** For the message of a failure. */
const STATE_TIMEOUT_MS = 5_000;
const LOG_LINES = 8;

/** What the three publishers do, one at each hub. */
export interface Load {
  /** Between two events of one publisher. */
  readonly pauseMs: number;
  /** The events that each has confirmed during a fault, and again after it. */
  readonly events: number;
}

interface RunOptions {
  readonly count: number;
  readonly load: Load;
  /** No fault begins after this time, so that a busy machine ends too. */
  readonly timeMsMax?: number;
  /** Ends with a rollback of the brokers, which loses confirmed events. */
  readonly rollsBack?: boolean;
  /** Called before a fault begins. */
  onFault?(name: string): void;
  /** Called when the fault has ended and all publishers go on. */
  onHealed?(name: string, durationMs: number): void;
}

/**
 * Lets faults happen to a cluster under load, one after the other. Then:
 * - each confirmed event is at every hub, in one order, no cursor has gone back, no gap was false;
 * - a webhook and a queue have each event, in the order of its channel;
 * - no two hubs had the same lease, all hubs have the same data, and show the same users.
 * @returns the number of confirmed events
 */
export async function runFaults(cluster: FaultyCluster, random: Seeded, options: RunOptions): Promise<number> {
  const followers = TRANSPORTS.map(
    (transport) => new Follower(random.pick(cluster.urls), transport, { channels: PATTERNS, after: 'earliest' }),
  );
  const publishers = cluster.urls.map(
    (url, index) => new Publisher(url, `p${index}`, CHANNELS, index === 1 ? 'single' : 'once', options.load.pauseMs),
  );
  const deliveries = await WatchedDeliveries.start(cluster.urls, PATTERNS, publishers);
  const presence = new WatchedPresence(cluster.urls, random);
  try {
    return await runUnderLoad(cluster, random, options, { publishers, followers, deliveries, presence });
  } finally {
    for (const publisher of publishers) publisher.abandon();
    await Promise.all([...followers, deliveries, presence].map((each) => each.stop()));
  }
}

interface Clients {
  readonly publishers: readonly Publisher[];
  readonly followers: readonly Follower[];
  readonly deliveries: WatchedDeliveries;
  readonly presence: WatchedPresence;
}

async function runUnderLoad(
  cluster: FaultyCluster,
  random: Seeded,
  { count, load, timeMsMax = Infinity, rollsBack = false, onFault, onHealed }: RunOptions,
  { publishers, followers, deliveries, presence }: Clients,
): Promise<number> {
  const progress = async (least: number): Promise<void> => {
    const before = publishers.map(({ acknowledged }) => acknowledged.length);
    const hasGoneOn = ({ acknowledged }: Publisher, index: number): boolean =>
      acknowledged.length >= (before[index] as number) + load.events;
    const haveGoneOn = (): boolean => publishers.filter(hasGoneOn).length >= least;
    await until('publishing goes on', haveGoneOn, PROGRESS_MAX_MS).catch(async (error: Error) => {
      const states = publishers.map((publisher, index) => stateOf(cluster.hubs[index] as FaultyHub, publisher));
      throw new Error([error.message, ...(await Promise.all(states))].join('\n'));
    });
  };
  const endMs = performance.now() + timeMsMax;
  await progress(3);
  for (let number = 0; number < count && performance.now() < endMs; number++) {
    const upgrades = cluster.hubs.some(({ isOlder }) => isOlder) ? UPGRADES : {};
    const ofProcesses = cluster.processesOfHub > 1 ? PROCESS_FAULTS : {};
    const faults = { ...FAULTS, ...ofProcesses, ...upgrades, ...STANDSTILLS };
    const name = random.pick(Object.keys(faults));
    const startMs = performance.now();
    onFault?.(name);
    const fault = faults[name];
    assert(fault !== undefined);
    deliveries.life++;
    const heal = await fault(cluster, random);
    presence.move(cluster.urls, random);
    for (const follower of followers) {
      if (random.below(3) > 0) continue;
      follower.hub = random.pick(cluster.urls);
      follower.moveTo(random.pick(TRANSPORTS));
    }
    if (!(name in STANDSTILLS)) await progress(2);
    else await until('nobody can publish', () => isRefused(cluster), PROGRESS_MAX_MS);
    deliveries.life++;
    await heal();
    await progress(3);
    onHealed?.(name, Math.round(performance.now() - startMs));
  }
  for (const hub of cluster.hubs.filter(({ isOlder }) => isOlder)) {
    onFault?.('upgrade a hub');
    const startMs = performance.now();
    deliveries.life++;
    await cluster.upgrade(hub);
    await progress(3);
    onHealed?.('upgrade a hub', Math.round(performance.now() - startMs));
  }
  const confirmed = await expectOneHistory(cluster.urls, publishers, followers, PATTERNS);
  await deliveries.expectAll();
  await allReady(cluster);
  await presence.expectRight(cluster.urls);
  await expectOneData(cluster);
  expectOneHolder(cluster);
  if (rollsBack) await rollBack(cluster);
  return confirmed;
}

/** What the message of a failure says of each publisher and its hub. */
async function stateOf({ process: { url, child, log } }: FaultyHub, { progress }: Publisher): Promise<string> {
  const ready = await call(`${url}/readyz`, { timeoutMs: STATE_TIMEOUT_MS }).catch(({ message }: Error) => message);
  const end = child.exitCode ?? child.signalCode;
  return [
    progress,
    `/readyz: ${typeof ready === 'string' ? ready : `${ready.status} ${ready.text}`}`,
    ...(end === null ? [] : [`the process has ended: ${end}`]),
    ...log().trimEnd().split('\n').slice(-LOG_LINES),
  ].join('\n');
}

/** All brokers are put back to a copy. Each hub notices it, and all have one new history. */
async function rollBack(cluster: FaultyCluster): Promise<void> {
  const [first] = cluster.urls as [string];
  const { brokers } = cluster.brokers;
  const kept = await readAll(first, PATTERNS);
  await Promise.all(brokers.map((broker) => broker.end()));
  for (const broker of brokers) broker.save();
  await Promise.all(brokers.map((broker) => broker.start()));
  let lost = '';
  await until('publishing goes on', async () => {
    lost = (await publish(first, { channel: 'a', data: 'lost' }).catch(() => ({ id: '' }))).id;
    return lost !== '';
  });
  const page = async (url: string): Promise<Page> =>
    (await call(`${url}/v1/events?channel=a&after=${lost}`).catch(() => undefined))?.json<Page>() ?? {};
  for (const url of cluster.urls)
    await until('each hub has it', async () => {
      const { cursor, gaps } = await page(url);
      assert.deepEqual(gaps ?? [], []);
      return cursor !== undefined && cursor >= lost;
    });
  await Promise.all(brokers.map((broker) => broker.end('SIGKILL')));
  for (const broker of brokers) broker.restore();
  await Promise.all(brokers.map((broker) => broker.start()));
  for (const url of cluster.urls)
    await until(
      'each hub has a new epoch',
      async () => (await page(url)).gaps?.[0]?.reason === 'epoch',
      PROGRESS_MAX_MS,
    );
  await allReady(cluster);
  const event = { channel: 'b.1', data: 'after', idempotencyKey: 'after' };
  const { id: last } = await throughResets(() => publish(first, event));
  for (const url of cluster.urls) {
    const reply = await throughResets(() => answered(() => call(`${url}/v1/events?channel=a&after=${last}`)));
    assert.deepEqual(reply.json<Page>().gaps, []);
    const texts = [...(await throughResets(() => readAll(url, PATTERNS))).values()];
    assert.deepEqual(texts, [...kept.values(), 'after']);
  }
}

/**
 * Repeats what a reset connection has ended. A follower that finds a new epoch ends, and with it
 * the connections that the kernel has given to it. The owner can be ready before that.
 */
async function throughResets<Value>(request: () => Promise<Value>): Promise<Value> {
  let value: Value | undefined;
  await until('no process of the hub ends during the request', async () => {
    try {
      value = await request();
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
      return false;
    }
  });
  return value as Value;
}

interface Page {
  readonly cursor?: string;
  readonly gaps?: readonly { readonly reason: string }[];
}

async function allReady({ urls }: FaultyCluster): Promise<void> {
  for (const url of urls)
    await until(
      'the hub is ready',
      async () => (await call(`${url}/readyz`).catch(() => undefined))?.status === 200,
      PROGRESS_MAX_MS,
    );
}

/** Whether every hub refuses an event. */
async function isRefused({ urls }: FaultyCluster): Promise<boolean> {
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify({ channel: TRIED_CHANNEL, data: 1 });
  const replies = await Promise.all(
    urls.map((url) => call(`${url}/v1/events`, { method: 'POST', headers, body }).catch(() => undefined)),
  );
  return replies.every((reply) => reply?.status === 503);
}
