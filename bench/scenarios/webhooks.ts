// Signed webhooks to one fast endpoint, from a log and with stored state, compared with a bare loop
// that posts equal bodies.
import { join } from 'node:path';
import { benchFolder, freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { freeUnusedPort, serverCore, startPinned } from '../harness/processes.ts';
import { ratioOf, runInterleaved, type RunOptions, type Scenario, type Series } from '../harness/scenario.ts';
import { pauseOrResume, startEndpoints, subscribe } from '../harness/subscriptions.ts';
import { polycast, startHub } from '../peers/polycast.ts';

const concurrency = 64;
const eventBytes = 128;
const channelsInOrder = 1000;

async function deliver(channels: number, ordering: string, options: RunOptions): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'));
  try {
    const pids = hub.process.pids().join(',');
    const port = await freeUnusedPort();
    const subscription = await subscribe(hub, {
      channels: ['stream.>'],
      ordering,
      concurrencyMax: concurrency,
      delivery: { kind: 'webhook', url: `http://127.0.0.1:${port}/well` },
    });
    await pauseOrResume(hub, subscription, 'pause');
    const lines = eventsOf(options);
    await runLoad('stream', { port: hub.port, lines, channels, eventBytes });
    const { received } = await startEndpoints({ expect: lines, pids }, port);
    await pauseOrResume(hub, subscription, 'resume');
    return await received;
  } finally {
    await hub.process.stop();
  }
}

async function postAlone(options: RunOptions): Promise<LoadRun> {
  const port = await freeUnusedPort();
  const count = eventsOf(options);
  const program = join(benchFolder, 'peers/servers/undici-webhooks.ts');
  const words = [process.execPath, program, String(port), String(count), String(concurrency), String(eventBytes)];
  const loop = startPinned(words, { core: serverCore });
  const { received } = await startEndpoints({ expect: count, pids: String(loop.pid) }, port);
  try {
    return await received;
  } finally {
    await loop.stop();
  }
}

function eventsOf({ quick }: RunOptions): number {
  return quick ? 20_000 : 100_000;
}

export const webhooks: Scenario = {
  name: 'webhooks',
  title: 'Signed webhooks to one fast endpoint, with durable state',
  run: async (options) => {
    const loop = 'undici, a bare loop';
    const unordered = 'polycast, no order';
    const ordered = 'polycast, 1,000 channels in order';
    const series = await runInterleaved(
      [
        { name: loop, peer: polycast, run: () => postAlone(options) },
        { name: unordered, peer: polycast, run: () => deliver(1, 'none', options) },
        { name: ordered, peer: polycast, run: () => deliver(channelsInOrder, 'per-channel', options) },
      ],
      options,
    );
    return {
      settings: { events: eventsOf(options), concurrency, eventBytes, channelsInOrder },
      series,
      bars: [
        {
          title: 'unordered deliveries/s, relative to a bare loop',
          figure: ratioOf(series, unordered, loop, 'deliveriesPerSecond'),
          atLeast: 0.8,
          unit: '×',
        },
        {
          title: 'ordered deliveries/s in 1,000 channels, relative to a bare loop',
          figure: ratioOf(series, ordered, loop, 'deliveriesPerSecond'),
          atLeast: 0.6,
          unit: '×',
        },
        {
          title: 'missing, repeated, or out of order',
          figure: faults(series, [unordered, ordered]),
          atMost: 0,
          unit: '',
        },
      ],
      charts: [{ title: 'Deliveries a second', figure: 'deliveriesPerSecond', unit: '/s', better: 'more' }],
      columns: [
        { title: 'deliveries/s', figure: 'deliveriesPerSecond' },
        { title: 'CPU, µs each', figure: 'serverCpuMicrosecondsPerDelivery' },
        { title: 'memory grown by, kB', figure: 'residentGrowthKilobytes' },
      ],
    };
  },
};

/** All runs check the order. Without ordering, several events of one channel are in flight. */
function faults(series: readonly Series[], names: readonly string[]): number {
  let found = 0;
  for (const { name, runs } of series) {
    if (!names.includes(name)) continue;
    for (const run of runs) {
      found += (run['missingDeliveries'] ?? 0) + (run['repeatedDeliveries'] ?? 0);
      if (name.endsWith('in order')) found += run['outOfOrder'] ?? 0;
    }
  }
  return found;
}
