import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openTestHub } from '../storage/contract/cluster/test-hub.ts';
import { MemoryFleetServer } from '../storage/cluster/memory-fleet.ts';
import { MemoryJournalServer } from '../storage/cluster/memory-journal.ts';
import { homeOf } from '../storage/homes.ts';
import { openStorage } from '../storage/open-storage.ts';
import { boundLags } from '../subscriptions/subscription-lag.ts';
import { openSubscriptionHub, type SubscriptionHub } from '../testing/subscription-hub.ts';
import { testStorageOptions } from '../testing/test-storage.ts';
import { LOG_STATS, SUBSCRIPTION_STORE_STATS } from './storage-metrics.ts';
import { connectionsWithin, openFilesMax } from './host-resources.ts';

function temporaryData(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-metrics-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'data');
}

async function pageOf(hub: SubscriptionHub): Promise<string> {
  return (await fetch(`${hub.url}/metrics`)).text();
}

test.each([
  { home: 'a folder', data: temporaryData },
  { home: 'memory', data: () => ':memory:' },
])("Prometheus' linter finds no fault in the page of a hub with its data in $home", async ({ data }) => {
  const hub = await openSubscriptionHub({ data: data() });
  await hub.create({ channels: ['jobs'], delivery: { kind: 'pull' } });
  await hub.publish('jobs', 1);
  await hub.ask('GET', '/v1/nothing');
  const page = await pageOf(hub);
  const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: '', stdout: '' });
  // The linter of this version accepts anything as a label.
  const labels = [...page.matchAll(/[{,](\w+)="/g)].map(([, label]) => label);
  expect(labels.filter((label) => !/^[a-z][a-z_]*$/.test(label as string))).toEqual([]);
});

test.each([
  { home: 'a folder', data: temporaryData },
  { home: 'memory', data: () => ':memory:' },
])('each number of a storage in $home is a metric', async ({ data }) => {
  const storage = await openStorage(testStorageOptions(data()));
  try {
    expect(Object.keys(LOG_STATS)).toEqual(expect.arrayContaining(Object.keys(storage.log.stats())));
    const ofSubscriptions = Object.keys(storage.subscriptions.metrics());
    expect(Object.keys(SUBSCRIPTION_STORE_STATS)).toEqual(expect.arrayContaining(ofSubscriptions));
  } finally {
    await storage.subscriptions.close();
    await storage.log.close();
    storage.close();
  }
});

test('each number of the log of a cluster is a metric, and no other hub has a value for them', async () => {
  const options = testStorageOptions(temporaryData());
  const server = new MemoryJournalServer();
  const hub = {
    journal: server.connect(),
    fleet: new MemoryFleetServer().connect('a'),
    home: homeOf(':memory:'),
    options,
  };
  const log = await openTestHub(hub);
  onTestFinished(() => log.close());
  expect(Object.keys(LOG_STATS)).toEqual(expect.arrayContaining(Object.keys(log.stats())));
  // The hub appends blocks of its own when it opens.
  const distances = (): readonly unknown[] => {
    const { appliedSequence = 0, journalDistance, otherHubs } = log.stats();
    return [appliedSequence > 0, server.last - appliedSequence, journalDistance, otherHubs];
  };
  await expect.poll(distances).toEqual([true, 0, 0, 0]);
  const page = await pageOf(await openSubscriptionHub());
  expect(page).toMatch(/^# HELP polycast_cluster_applied_sequence In a cluster only: /m);
  expect(page.match(/^polycast_cluster_.*/gm)).toBeNull();
});

test('the process has the metrics that dashboards for any process use', async () => {
  const beforeSeconds = Date.now() / 1000;
  const hub = await openSubscriptionHub({ data: temporaryData() });
  const page = await pageOf(hub);
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(page)?.[1]);
  expect(page).toContain(`node_version="${process.versions.node}"`);
  expect(value('process_start_time_seconds')).toBeLessThan(beforeSeconds);
  expect(value('process_start_time_seconds')).toBeGreaterThan(beforeSeconds - 7200);
  expect(value('process_resident_memory_bytes')).toBeGreaterThan(20e6);
  expect(value('process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(value('process_open_fds')).toBeGreaterThan(10);
  expect(value('process_max_fds')).toBeGreaterThan(value('process_open_fds'));
  expect(value('polycast_connections')).toBeGreaterThanOrEqual(1);
  expect(value('polycast_connections_limit')).toBe(Math.min(50_000, connectionsWithin(openFilesMax(), 10_000)));
  expect(value('polycast_data_size_bytes')).toBeGreaterThan(value('polycast_data_free_bytes'));
  expect(value('polycast_data_free_bytes')).toBeGreaterThan(0);
});

test('the lag by subscription has the configured number of series, and one for the others', async () => {
  const hub = await openSubscriptionHub({ subscriptions: { lagSeriesMax: 2 } });
  const ids: unknown[] = [];
  for (let count = 1; count <= 4; count++) {
    const channels = Array.from({ length: count }, (_, index) => `c${4 - index}`);
    ids.push((await hub.create({ channels, delivery: { kind: 'pull' } }))['id']);
  }
  // The subscription with n channels has n events.
  for (const channel of ['c1', 'c2', 'c3', 'c4']) await hub.publish(channel, 1);
  const page = await pageOf(hub);
  const series = [...page.matchAll(/^polycast_subscription_lag_events\{subscription="(.*)"\} (\d+)$/gm)];
  expect(series.map(([, id, events]) => [id, Number(events)])).toEqual([
    [ids[0], 1],
    [ids[1], 2],
    ['others', 4],
  ]);
  expect(page.match(/^polycast_subscription_lag_seconds\{/gm)).toHaveLength(3);
});

test('late subscriptions come first, and the order of those that keep up does not change', () => {
  const lag = (subscription: string, events: number, ms: number): Parameters<typeof boundLags>[0][number] => ({
    subscription,
    events,
    ms,
  });
  const lags = [lag('a', 1, 40), lag('b', 9, 70), lag('c', 2, 60_000), lag('d', 3, 90_000)];
  expect(boundLags(lags, 3)).toEqual([lags[3], lags[2], lags[0], lag('others', 9, 70)]);
  expect(boundLags(lags, 1)).toEqual([lags[3], lag('others', 9, 60_000)]);
  expect(boundLags(lags, 4)).toBe(lags);
  expect(boundLags([], 0)).toEqual([]);
});
