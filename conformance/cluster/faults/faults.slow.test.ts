import { describe, expect, onTestFinished, test } from 'vitest';
import { NATS_SERVER } from '../../kit/brokers.ts';
import { Follower, TRANSPORTS } from '../../kit/clients/followers.ts';
import { Publisher } from '../../kit/clients/publishers.ts';
import { call } from '../../kit/http.ts';
import { Seeded } from '../../kit/seeded.ts';
import { until } from '../../kit/wait.ts';
import { expectOneHistory } from '../one-history.ts';
import { FaultyCluster } from './faulty-cluster.ts';
import { FAULTS } from './random-faults.ts';

/** The number of faults. */
const COUNT = Number(process.env['POLYCAST_FAULTS'] ?? 6);
const CHANNELS = ['a', 'b.1', 'b.2'];

describe.skipIf(NATS_SERVER === undefined)('random faults of hubs, brokers and their network', () => {
  test(
    'each confirmed event is at every hub, no cursor goes back, no gap is false',
    { timeout: COUNT * 60_000 },
    async () => {
      const random = new Seeded();
      console.log(`POLYCAST_SEED=${random.seed}`);
      const cluster = await FaultyCluster.start();
      onTestFinished(() => cluster.end());
      const followers = TRANSPORTS.map(
        (transport) =>
          new Follower(random.pick(cluster.urls), transport, { channels: ['a', 'b.>'], after: 'earliest' }),
      );
      const publishers = cluster.urls.map((url, index) => new Publisher(url, `p${index}`, CHANNELS, 'single'));
      const counts = (): number[] => publishers.map(({ acknowledged }) => acknowledged.length);
      const progress = async (least: number): Promise<void> => {
        const before = counts();
        // During a fault the other two hubs go on; after it all three do.
        await until(
          'publishing goes on',
          () => counts().filter((count, index) => count >= (before[index] as number) + 20).length >= least,
          120_000,
        );
      };
      await progress(3);
      for (let number = 1; number <= COUNT; number++) {
        const name = random.pick(Object.keys(FAULTS));
        const startMs = performance.now();
        const heal = await (FAULTS[name] as (typeof FAULTS)[string])(cluster, random);
        for (const follower of followers) {
          if (random.below(3) > 0) continue;
          follower.hub = random.pick(cluster.urls);
          follower.moveTo(random.pick(TRANSPORTS));
        }
        await progress(2);
        await heal();
        await progress(3);
        console.log(`${number}. ${name}: ${Math.round(performance.now() - startMs)} ms`);
      }
      const confirmed = await expectOneHistory(cluster.urls, publishers, followers);
      for (const url of cluster.urls) expect((await call(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
      console.log(`${confirmed} confirmed events.`);
    },
  );
});
