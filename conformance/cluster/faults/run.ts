import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Seeded } from '../../kit/seeded.ts';
import { FaultyCluster, type HubVersion } from './faulty-cluster.ts';
import { runFaults } from './fault-run.ts';
import { versionOfLevel } from './older-version.ts';

/**
 * Lets 1,000 random faults happen to clusters of three hubs and three brokers, all real processes:
 * `node conformance/cluster/faults/run.ts --faults 1000 --report 1000-faults.txt`. Each round has a
 * new cluster and a seed of its own, and a line in the report. A run that was interrupted goes on
 * after the last line. `--from 17 --faults 20` repeats round 17. It exits with 1 if a round of the
 * report failed.
 *
 * In every second round the hubs have an earlier version at first, and are upgraded one after the
 * other between faults and at the end. `--older PATH` names its program, which is `polycast.ts` of
 * an older commit, and all rounds begin with it. Without it, it is this one with the feature level
 * 3.
 */
const ROUND_FAULTS = 20;
/** A round on a busy machine has fewer faults. */
const ROUND_TIME_MS_MAX = 170_000;
const FAILED = ': FAILED ';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    older: { type: 'string' },
    report: { type: 'string' },
  },
});
const { report: file } = values;
const before = file !== undefined && existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
const rounds = before.filter((line) => line.startsWith('round '));
if (rounds.some((line) => line.includes(FAILED))) process.exitCode = 1;
const first = Number(values.from) + rounds.length;
const end = Number(values.from) + Math.ceil(Number(values.faults) / ROUND_FAULTS);
const write = (line: string): void => {
  console.log(line);
  if (file !== undefined) appendFileSync(file, `${line}\n`);
};
// An exit ends all processes, also those that are paused.
process.on('SIGTERM', () => process.exit(143));
for (let round = first; round < end; round++) {
  const random = new Seeded(round);
  let cluster: FaultyCluster | undefined;
  const startMs = performance.now();
  const faults: string[] = [];
  let outcome: string;
  let present = 'the start';
  try {
    cluster = await FaultyCluster.start(olderVersion(round));
    // Every fifth round ends with a rollback, which is a fault too.
    const rollsBack = round % 5 === 0;
    const confirmed = await runFaults(cluster, random, {
      count: ROUND_FAULTS,
      timeMsMax: ROUND_TIME_MS_MAX,
      rollsBack,
      onFault: (name) => void (present = name),
      onHealed(name, durationMs) {
        console.log(`${name}: ${durationMs} ms`);
        faults.push(name);
        present = 'the load';
      },
    });
    if (rollsBack) faults.push('a rollback of all brokers');
    outcome = `: ${confirmed} confirmed events, after ${counted(faults)}`;
  } catch (error) {
    process.exitCode = 1;
    outcome = `${FAILED}in ${present}, after ${counted(faults)}: ${(error as Error).message.replaceAll('\n', ' ').slice(0, 500)}`;
    for (const [index, hub] of (cluster?.hubs ?? []).entries())
      console.error(`hub ${index}: ${hub.process.log().slice(-3000)}`);
  }
  write(`round ${round}: ${faults.length} faults in ${Math.round((performance.now() - startMs) / 1000)} s${outcome}`);
  await cluster?.end();
}
process.exit();

function olderVersion(round: number): HubVersion | undefined {
  if (values.older !== undefined) return { command: values.older, nodeOptions: '' };
  return round % 2 === 0 ? versionOfLevel(3) : undefined;
}

/** `2 kill a hub, 1 a full journal`. */
function counted(names: readonly string[]): string {
  const byName = Map.groupBy(names.toSorted(), (name) => name);
  return [...byName].map(([name, { length }]) => `${length} ${name}`).join(', ');
}
