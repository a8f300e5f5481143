import { Seeded } from '../../kit/seeded.ts';
import { runFaults, type Load } from './fault-run.ts';
import { FaultyCluster, type HubVersion } from './faulty-cluster.ts';
import { versionOfLevel } from './older-version.ts';

/** The faults of a round, without its upgrades and its rollback. */
export const ROUND_FAULTS = 20;

/** As fast as the cluster confirms events. */
const FULL_LOAD: Load = { pauseMs: 0, events: 20 };

interface RoundOptions {
  /** Default: `FULL_LOAD`. */
  readonly load?: Load;
  /** No fault begins after this time, so that a busy machine ends too. */
  readonly timeMsMax?: number;
  /** The version of all hubs at first. Default: that of the round. */
  readonly older?: HubVersion | undefined;
  /** Called with a line for each fault that has ended. */
  report(line: string): void;
}

interface RoundOutcome {
  /** The names of those that have ended. */
  readonly faults: readonly string[];
  /** Example: `310 confirmed events, after 2 kill a hub, 1 a full journal`. */
  readonly text: string;
  readonly failure?: Error;
}

/**
 * Lets random faults happen to a new cluster of three hubs and three brokers, all of them real
 * processes. The number of the round is the seed, so a round can be repeated. In every second round
 * the hubs have an earlier version at first. They are upgraded one after the other, between faults
 * and at the end. In every third round each hub has two processes. Every fifth round ends with a
 * rollback of the brokers.
 */
export async function runRound(
  round: number,
  { load = FULL_LOAD, timeMsMax = Infinity, older, report }: RoundOptions,
): Promise<RoundOutcome> {
  const rollsBack = round % 5 === 0;
  const faults: string[] = [];
  let present = 'the start';
  let cluster: FaultyCluster | undefined;
  try {
    const version = older ?? (round % 2 === 0 ? versionOfLevel(3) : undefined);
    cluster = await FaultyCluster.start(version, round % 3 === 0 ? 2 : 1);
    const confirmed = await runFaults(cluster, new Seeded(round), {
      count: ROUND_FAULTS,
      load,
      timeMsMax,
      rollsBack,
      onFault: (name) => void (present = name),
      onHealed(name, durationMs) {
        report(`${name}: ${durationMs} ms`);
        faults.push(name);
        present = 'the load';
      },
    });
    if (rollsBack) faults.push('a rollback of all brokers');
    return { faults, text: `${confirmed} confirmed events, after ${counted(faults)}` };
  } catch (error) {
    for (const [index, hub] of (cluster?.hubs ?? []).entries())
      console.error(`round ${round}, hub ${index}: ${hub.process.log().slice(-3000)}`);
    return { faults, text: `in ${present}, after ${counted(faults)}`, failure: error as Error };
  } finally {
    await cluster?.end();
  }
}

/** `2 kill a hub, 1 a full journal`. */
function counted(names: readonly string[]): string {
  const byName = Map.groupBy(names.toSorted(), (name) => name);
  return [...byName].map(([name, { length }]) => `${length} ${name}`).join(', ');
}
