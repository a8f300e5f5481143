// A cluster with many events. A hub starts again with all of them in its folder, and another one
// starts with an empty folder. Both are the package as users install it.
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoadRun, runLoad } from '../../harness/load.ts';
import { allCores } from '../../harness/processes.ts';
import { metricOf, runInterleaved, type Scenario } from '../../harness/scenario.ts';
import { type ClusterHub, clusterPeer, type RunningCluster, startCluster } from '../../peers/cluster.ts';
import { readMetric, withPackage } from '../../peers/polycast.ts';

const NAME = 'polycast, cluster';
const eventBytes = 128;
const channels = 10_000;

export const clusterStart: Scenario = {
  name: 'cluster-start',
  title: 'Start of a hub of a cluster with 1,000,000 events in 10,000 channels',
  run: async (options) => {
    const events = options.quick ? 200_000 : 1_000_000;
    const series = await runInterleaved(
      [{ name: NAME, peer: clusterPeer, run: () => withPackage(() => startWithEvents(events)) }],
      options,
    );
    return {
      settings: { brokers: 3, hubs: 2, events, channels, eventBytes },
      series,
      bars: [
        {
          title: 'all events in its folder: from the start of the process to ready',
          figure: metricOf(series, NAME, 'readyMs'),
          atMost: 2_000,
          unit: 'ms',
        },
        {
          title: 'an empty folder: events applied a second, with the start of the process',
          figure: metricOf(series, NAME, 'appliedPerSecond'),
          atLeast: 150_000,
          unit: '/s',
        },
        {
          title: 'the same, relative to the fill by one NDJSON stream in the same run',
          figure: metricOf(series, NAME, 'appliedPerSecond') / metricOf(series, NAME, 'filledPerSecond'),
          unit: '×',
        },
        { title: 'refused lines', figure: metricOf(series, NAME, 'refusedLines'), atMost: 0, unit: '' },
      ],
      charts: [
        { title: 'From start to ready, all events in the folder', figure: 'readyMs', unit: 'ms', better: 'less' },
      ],
      columns: [
        { title: 'ready after, ms', figure: 'readyMs' },
        { title: 'with an empty folder, ms', figure: 'fromNothingMs' },
        { title: 'events/s', figure: 'appliedPerSecond' },
        { title: 'filled by NDJSON, events/s', figure: 'filledPerSecond' },
      ],
    };
  },
};

/** A hub starts again with all events in its folder, and one starts with none. */
async function startWithEvents(events: number): Promise<LoadRun> {
  const running = await startCluster(2);
  try {
    const [first, other] = running.hubs as readonly [ClusterHub, ClusterHub];
    const filled = await runLoad('stream', { port: first.port, lines: events, channels, eventBytes }, allCores);
    const refusedLines = events - (filled['acceptedEvents'] ?? 0);
    await haveAll(running, events);
    await running.end(other, 'SIGTERM');
    const again = await running.start(other.folder);
    const empty = await running.start();
    await haveAll(running, events);
    return {
      refusedLines,
      filledPerSecond: events / (filled['seconds'] ?? Number.NaN),
      readyMs: again.readyMs,
      fromNothingMs: empty.readyMs,
      appliedPerSecond: events / (empty.readyMs / 1000),
    };
  } finally {
    await running.stop();
  }
}

const appliedCheckMs = 50;

/** Waits until every hub has applied all events. */
async function haveAll({ hubs }: RunningCluster, events: number): Promise<void> {
  for (const hub of hubs)
    while ((await readMetric(hub, 'polycast_log_head_position')) < events) await sleep(appliedCheckMs);
}
