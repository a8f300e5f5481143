// 10,000 webhooks, each with its own address. The endpoints of 7,000 hang, fail or answer slowly.
// The other 3,000, which are older, must not be affected.
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { ratioOf, metricOf, runInterleaved, type RunOptions, type Scenario } from '../harness/scenario.ts';
import { quietLogging, startEndpoints, subscribeMany } from '../harness/subscriptions.ts';
import { polycast, startHub } from '../peers/polycast.ts';
import { freeUnusedPort } from '../harness/processes.ts';

const channels = 100;
const eventBytes = 128;
const eventsPerSecond = 10;
const otherSubscriptions = { well: 3000, hanging: 3000, failing: 3000, dripping: 1000 };

type Kind = keyof typeof otherSubscriptions;

async function deliver(kinds: readonly Kind[], options: RunOptions): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'), quietLogging);
  try {
    const pids = hub.process.pids().join(',');
    const port = await freeUnusedPort();
    let addresses = 0;
    for (const kind of kinds)
      await subscribeMany(hub, sizeOf(kind, options), (index) => ({
        channels: [`bench.${index % channels}`],
        delivery: { kind: 'webhook', url: `http://${addressOf(addresses++)}:${port}/${kind}/${index}` },
      }));
    const events = eventsOf(options);
    const expect = (events * sizeOf('well', options)) / channels;
    const { received } = await startEndpoints({ expect, pids, timeoutSeconds: 180 }, port);
    const published = await runLoad('fanout', {
      port: hub.port,
      pids,
      transport: 'sse',
      ...polycast.subscribeOptions('sse'),
      ...polycast.publishOptions(),
      subscribers: channels,
      channels,
      publishers: 4,
      rate: eventsPerSecond,
      events,
      eventBytes,
    });
    return { ...(await received), liveP99Microseconds: published['latencyP99Microseconds'] ?? Number.NaN };
  } finally {
    await hub.process.stop();
  }
}

/** From 127.1.0.1 on: each address is another host for the hub. */
function addressOf(index: number): string {
  return `127.${1 + Math.floor(index / 62_500)}.${Math.floor(index / 250) % 250}.${1 + (index % 250)}`;
}

/** A quick run has a tenth of the webhooks. */
function sizeOf(kind: Kind, { quick }: RunOptions): number {
  return otherSubscriptions[kind] / (quick ? 10 : 1);
}

function eventsOf({ quick }: RunOptions): number {
  return quick ? 100 : 600;
}

export const webhookFairness: Scenario = {
  name: 'webhook-fairness',
  title: '3,000 healthy webhooks beside 7,000 that hang, fail or send slowly',
  run: async (options) => {
    const alone = 'the healthy alone';
    const among = 'among the sick';
    const series = await runInterleaved(
      [
        { name: alone, peer: polycast, run: () => deliver(['well'], options) },
        { name: among, peer: polycast, run: () => deliver(['well', 'hanging', 'failing', 'dripping'], options) },
      ],
      options,
    );
    return {
      settings: { ...otherSubscriptions, channels, eventsPerSecond, events: eventsOf(options), eventBytes },
      series,
      bars: [
        {
          title: 'p99 of healthy webhooks, relative to a run without failing ones',
          figure: ratioOf(series, among, alone, 'latencyP99Microseconds'),
          atMost: 2,
          unit: '×',
        },
        {
          title: 'deliveries of healthy webhooks that are missing or out of order',
          figure: metricOf(series, among, 'missingDeliveries') + metricOf(series, among, 'outOfOrder'),
          atMost: 0,
          unit: '',
        },
      ],
      charts: [
        { title: 'Publish to webhook, 99th percentile', figure: 'latencyP99Microseconds', unit: 'µs', better: 'less' },
      ],
      columns: [
        { title: 'p50, µs', figure: 'latencyP50Microseconds' },
        { title: 'p99, µs', figure: 'latencyP99Microseconds' },
        { title: 'p99 of live readers, µs', figure: 'liveP99Microseconds' },
      ],
    };
  },
};
