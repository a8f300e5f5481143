import { parseArgs } from 'node:util';
import { Seeded } from '../conformance/kit/seeded.ts';
import { checkDeafHub } from './cluster/deaf-hub.ts';
import { runSchedule } from './cluster/run-schedule.ts';
import { VirtualTime } from './cluster/virtual-time.ts';

/**
 * Simulates clusters in one process and in virtual time. Journal, views, read barrier, snapshots
 * and identity are those of the product. Brokers, networks, disks and clients are simulated. A seed
 * decides everything, so it repeats a failure.
 *
 * `node simulation/cluster.ts --seeds 5000` runs the seeds 1 to 5000.
 * `node simulation/cluster.ts --from 17 --seeds 1 --trace` shows what happens in the schedule 17.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    found: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});
/**
 * These have found defects. `--found` runs them, too. All but 480 and 108 find them again when the
 * mend is taken out. A change of what a start asks draws other numbers, and may need other seeds.
 */
const FOUND: readonly number[] = [
  // A broker that was cut off from the others answered the read barrier: a false gap.
  7, 43,
  // A hub that had not noticed a rollback was reported as different, and that never ended.
  5, 56,
  // A second rollback lost the new epoch of the first one: the epoch before was back,
  // with other events.
  490,
  // The simulation expected a gap where no hub had a lost block any more.
  480,
  // Full brokers refused the new epoch after a rollback, and the hub forgot that blocks were lost.
  108,
  // The brokers were rolled back during a start, which then waited for ever.
  44,
  // A hub that heard nothing and then had a full disk accepted a revoked key for too long.
  1325,
  // A hub heard nothing for a while, and then the other hubs again, but not the journal. It had
  // missed the broadcast of a revocation.
  41129,
];

const from = Number(values.from);
const count = Number(values.seeds);
const time = new VirtualTime(new Seeded(from));
const failed: number[] = [];
let [events, virtualMs, faults, rollbacks] = [0, 0, 0, 0];
const started = process.hrtime.bigint();
if (values.found) await checkDeafHub(time, from);
const seeds = [...(values.found ? FOUND : []), ...Array.from({ length: count }, (_, at) => from + at)];
for (const seed of seeds) {
  try {
    const schedule = await runSchedule(time, seed, (text) => (values.trace ? console.log(text) : undefined));
    events += schedule.events;
    virtualMs += schedule.virtualMs;
    faults += schedule.faults;
    rollbacks += schedule.rollbacks;
  } catch (error) {
    failed.push(seed);
    console.log(`seed ${seed}: ${values.trace ? (error as Error).stack : (error as Error).message}`);
  }
}
const seconds = Number((process.hrtime.bigint() - started) / 1_000_000n) / 1000;
const hours = (virtualMs / 3_600_000).toFixed(1);
console.log(
  `${seeds.length} schedules, ${faults} faults, ${rollbacks} rollbacks, ${events} confirmed events, ${hours} simulated hours in ${seconds} s: ${failed.length} failed${failed.length === 0 ? '' : ` (${failed.join(', ')})`}`,
);
process.exit(failed.length === 0 ? 0 : 1);
