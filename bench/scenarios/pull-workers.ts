// A job queue: eight workers pull from one subscription, up to 32 events at a time, and acknowledge
// each lease.
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { metricOf, runInterleaved, type RunOptions, type Scenario } from '../harness/scenario.ts';
import { subscribe } from '../harness/subscriptions.ts';
import { polycast, startHub } from '../peers/polycast.ts';

const workers = 8;
const concurrency = 32;
const eventBytes = 128;
const channels = 1000;
const eventsPerSecondEnough = 20_000;

async function work(ordering: string, options: RunOptions): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'));
  try {
    const id = await subscribe(hub, { channels: ['stream.>'], ordering, delivery: { kind: 'pull' } });
    const lines = eventsOf(options);
    await runLoad('stream', { port: hub.port, lines, channels, eventBytes });
    const pids = hub.process.pids().join(',');
    const path = `/v1/subscriptions/${id}`;
    return await runLoad('work', { port: hub.port, pids, path, workers, concurrency, expect: lines });
  } finally {
    await hub.process.stop();
  }
}

function eventsOf({ quick }: RunOptions): number {
  return quick ? 40_000 : 200_000;
}

export const pullWorkers: Scenario = {
  name: 'pull-workers',
  title: 'Eight workers on one pull subscription',
  run: async (options) => {
    const unordered = 'no order';
    const ordered = '1,000 channels in order';
    const series = await runInterleaved(
      [
        { name: unordered, peer: polycast, run: () => work('none', options) },
        { name: ordered, peer: polycast, run: () => work('per-channel', options) },
      ],
      options,
    );
    const faults = [unordered, ordered].flatMap((name) =>
      ['missingEvents', 'leasedTwice', 'notHeld', 'refused'].map((figure) => metricOf(series, name, figure)),
    );
    return {
      settings: { workers, concurrency, events: eventsOf(options), channels, eventBytes },
      series,
      bars: [
        {
          title: 'events pulled and acknowledged per second',
          figure: metricOf(series, unordered, 'eventsPerSecond'),
          atLeast: eventsPerSecondEnough,
          unit: '/s',
        },
        {
          title: 'missing, or leased twice within a lease',
          figure: faults.reduce((sum, count) => sum + count, 0),
          atMost: 0,
          unit: '',
        },
      ],
      charts: [{ title: 'Events acknowledged a second', figure: 'eventsPerSecond', unit: '/s', better: 'more' }],
      columns: [
        { title: 'events/s', figure: 'eventsPerSecond' },
        { title: 'CPU, µs each', figure: 'serverCpuMicrosecondsPerEvent' },
        { title: 'a pull, p99 µs', figure: 'latencyP99Microseconds' },
      ],
    };
  },
};
