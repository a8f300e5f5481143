// A million events wait for an endpoint that was down. When it is up again, other clients continue
// to publish to live readers.
import { runFanout } from '../harness/fanout.ts';
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { freeUnusedPort } from '../harness/processes.ts';
import { metricOf, ratioOf, runInterleaved, type RunOptions, type Scenario } from '../harness/scenario.ts';
import { startEndpoints, subscribe } from '../harness/subscriptions.ts';
import { polycast, startHub } from '../peers/polycast.ts';

const channels = 100;
const eventBytes = 128;
const readers = 100;
const retryDelaysSeconds = Array.from({ length: 30 }, () => 5);
const residentGrowthMaxMegabytes = 64;

const live = { subscribers: readers, eventBytes, publishers: 64 };

async function comeBack(options: RunOptions): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'));
  try {
    const pids = hub.process.pids().join(',');
    const port = await freeUnusedPort();
    await subscribe(hub, {
      channels: ['stream.>'],
      delivery: { kind: 'webhook', url: `http://127.0.0.1:${port}/well`, retryDelaysSeconds },
    });
    const lines = backlogOf(options);
    await runLoad('stream', { port: hub.port, lines, channels, eventBytes });
    const { received } = await startEndpoints({ expect: lines, pids, timeoutSeconds: 500 }, port);
    const publishing = await runLoad('fanout', {
      port: hub.port,
      pids,
      transport: 'sse',
      ...polycast.subscribeOptions('sse'),
      ...polycast.publishOptions(),
      ...live,
      events: liveEventsOf(options),
    });
    return { ...publishing, ...prefixed('webhook', await received) };
  } finally {
    await hub.process.stop();
  }
}

function prefixed(word: string, run: LoadRun): LoadRun {
  const capital = (name: string): string => word + name.charAt(0).toUpperCase() + name.slice(1);
  return Object.fromEntries(Object.entries(run).map(([name, value]) => [capital(name), value]));
}

function backlogOf({ quick }: RunOptions): number {
  return quick ? 100_000 : 1_000_000;
}

function liveEventsOf({ quick }: RunOptions): number {
  return quick ? 5000 : 50_000;
}

export const webhookBacklog: Scenario = {
  name: 'webhook-backlog',
  title: 'A million events for an endpoint that comes back, beside live publishing',
  run: async (options) => {
    const alone = 'publishing alone';
    const beside = 'beside the backlog';
    const series = await runInterleaved(
      [
        {
          name: alone,
          peer: polycast,
          run: () => runFanout(polycast, 'sse', { ...live, events: liveEventsOf(options) }),
        },
        { name: beside, peer: polycast, run: () => comeBack(options) },
      ],
      options,
    );
    return {
      settings: { backlog: backlogOf(options), liveEvents: liveEventsOf(options), channels, eventBytes, readers },
      series,
      bars: [
        {
          title: 'growth of resident memory while it catches up',
          figure: metricOf(series, beside, 'webhookResidentGrowthKilobytes') / 1000,
          atMost: residentGrowthMaxMegabytes,
          unit: 'MB',
        },
        {
          title: 'deliveries/s to live readers, relative to a run without a backlog',
          figure: ratioOf(series, beside, alone, 'deliveriesPerSecond'),
          atLeast: 0.7,
          unit: '×',
        },
        {
          title: 'events of the backlog missing or out of order',
          figure: metricOf(series, beside, 'webhookMissingDeliveries') + metricOf(series, beside, 'webhookOutOfOrder'),
          atMost: 0,
          unit: '',
        },
      ],
      charts: [
        { title: 'Deliveries to live readers a second', figure: 'deliveriesPerSecond', unit: '/s', better: 'more' },
      ],
      columns: [
        { title: 'live deliveries/s', figure: 'deliveriesPerSecond' },
        { title: 'p99 live, µs', figure: 'latencyP99Microseconds' },
        { title: 'webhooks/s', figure: 'webhookDeliveriesPerSecond' },
      ],
    };
  },
};
