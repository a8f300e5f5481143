import { describe, onTestFinished, test } from 'vitest';
import { NATS_SERVER } from '../../kit/brokers.ts';
import { Seeded } from '../../kit/seeded.ts';
import { runFaults } from './fault-run.ts';
import { FaultyCluster } from './faulty-cluster.ts';

/** The number of faults. `run.ts` lets 1,000 happen. */
const COUNT = Number(process.env['POLYCAST_FAULTS'] ?? 6);

/**
 * The faults are the same in every run, so that a failure is of the change that is tested.
 * `run.ts` takes others.
 */
const SEED = Number(process.env['POLYCAST_SEED'] ?? 1904735104);

describe.skipIf(NATS_SERVER === undefined)('random faults of hubs, brokers and their network', () => {
  test(
    'each confirmed event is at every hub and webhook, no gap is false, and all hubs agree on data, leases and users',
    { timeout: (COUNT + 2) * 60_000 },
    async () => {
      const random = new Seeded(SEED);
      console.log(`POLYCAST_SEED=${random.seed}`);
      const cluster = await FaultyCluster.start();
      onTestFinished(() => cluster.end());
      const confirmed = await runFaults(cluster, random, {
        count: COUNT,
        onFault: (name) => console.log(name),
        onHealed: (_name, durationMs) => console.log(`  ended after ${durationMs} ms`),
      });
      console.log(`${confirmed} confirmed events.`);
    },
  );
});
