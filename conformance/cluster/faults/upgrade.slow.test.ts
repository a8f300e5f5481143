import { describe, expect, onTestFinished, test } from 'vitest';
import { NATS_SERVER } from '../../kit/brokers.ts';
import { Follower, TRANSPORTS } from '../../kit/clients/followers.ts';
import { Publisher } from '../../kit/clients/publishers.ts';
import { call } from '../../kit/http.ts';
import { until } from '../../kit/wait.ts';
import { expectOneHistory } from '../one-history.ts';
import { FaultyCluster } from './faulty-cluster.ts';
import { expectOneData, expectOneHolder } from './one-cluster.ts';
import { versionOfLevel } from './older-version.ts';
import { WatchedDeliveries } from './watched-deliveries.ts';

const PATTERNS = ['a', 'b.>'];

describe.skipIf(NATS_SERVER === undefined)('a rolling upgrade under load', () => {
  test('no hub stops, no client misses an event, and what the new version shares begins with the last hub', async () => {
    const cluster = await FaultyCluster.start(versionOfLevel(2));
    onTestFinished(() => cluster.end());
    const { urls } = cluster;
    const publishers = urls.map((url, index) => new Publisher(url, `p${index}`, ['a', 'b.1', 'b.2'], 'single'));
    onTestFinished(() => publishers.forEach((publisher) => publisher.abandon()));
    const followers = TRANSPORTS.map(
      (transport, index) =>
        new Follower(urls[index % 3] as string, transport, { channels: PATTERNS, after: 'earliest' }),
    );
    onTestFinished(async () => void (await Promise.all(followers.map((follower) => follower.stop()))));
    const deliveries = await WatchedDeliveries.start(urls, PATTERNS, publishers);
    onTestFinished(() => deliveries.stop());
    const progress = async (): Promise<void> => {
      const before = publishers.map(({ acknowledged }) => acknowledged.length);
      await until('all hubs publish', () =>
        publishers.every(({ acknowledged }, index) => acknowledged.length > (before[index] as number) + 20),
      );
    };
    const levels = async (): Promise<readonly number[]> =>
      (await call(`${urls[0]}/v1/cluster`))
        .json<{ hubs: { level: number; state: string }[] }>()
        .hubs.flatMap(({ level, state }) => (state === 'answers' ? [level] : []));
    await progress();
    for (const [index, hub] of cluster.hubs.entries()) {
      for (const url of urls)
        expect((await call(`${url}/v1/subscriptions`)).json()).toMatchObject({ code: 'not_in_cluster' });
      deliveries.life++;
      await cluster.upgrade(hub);
      await progress();
      await until('the upgraded hubs are known', async () => {
        return (await levels()).toSorted().join() === [2, 2, 2, 4, 4, 4].slice(index + 1, index + 4).join();
      });
    }
    await until('there are subscriptions', async () => {
      const reply = await call(`${urls[0]}/v1/subscriptions`);
      return reply.status === 200 && reply.json<{ subscriptions: object[] }>().subscriptions.length === 2;
    });
    await progress();
    await expectOneHistory(urls, publishers, followers, PATTERNS);
    await deliveries.expectAll();
    await expectOneData(cluster);
    expectOneHolder(cluster);
    for (const { log } of cluster.processes) expect(log()).not.toContain('cannot apply');
  });
});
