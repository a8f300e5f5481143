// The cost of subscriptions: while nothing happens, and for a publisher.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectedMemory, withDebugger } from '../harness/collected-memory.ts';
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import { serverCore } from '../harness/processes.ts';
import { metricOf, ratioOf, runInterleaved, type RunOptions, type Scenario } from '../harness/scenario.ts';
import { quietLogging, startEndpoints, subscribeMany } from '../harness/subscriptions.ts';
import { polycast, startHub } from '../peers/polycast.ts';

const restSeconds = 10;
const bytesMax = 2000;

async function rest(subscriptions: number): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'), quietLogging, serverCore, withDebugger);
  try {
    // The first subscriptions allocate shared memory, which is not counted. A heap grows in steps,
    // so many are created.
    const first = subscriptions / 4;
    await subscribeMany(hub, first, definitionOf);
    const before = await collectedMemory(hub.process);
    await subscribeMany(hub, subscriptions - first, (index) => definitionOf(first + index));
    // At rest before the collection, which makes V8 give memory back for some seconds.
    const cpuBefore = cpuMicroseconds(hub.process.pid);
    await sleep(restSeconds * 1000);
    const cpuAfter = cpuMicroseconds(hub.process.pid);
    const after = await collectedMemory(hub.process);
    return {
      bytesEach: (after.liveBytes - before.liveBytes) / Math.max(1, subscriptions - first),
      residentBytesEach: (after.proportionalBytes - before.proportionalBytes) / Math.max(1, subscriptions - first),
      idleCpuMicrosecondsPerSecond: (cpuAfter - cpuBefore) / restSeconds,
    };
  } finally {
    await hub.process.stop();
  }
}

function definitionOf(index: number): object {
  const delivery = { kind: 'webhook', url: `http://127.0.0.1:9/hooks/customer-${index}` };
  return { channels: [`orders.${index}.>`], delivery, description: `Orders of customer ${index}` };
}

/** The CPU time of the main thread and all others. */
function cpuMicroseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

export const idleSubscriptions: Scenario = {
  name: 'idle-subscriptions',
  title: 'Idle subscriptions',
  run: async (options) => {
    const count = options.quick ? 4000 : 40_000;
    const many = `${count.toLocaleString('en')} subscriptions`;
    const series = await runInterleaved(
      [
        { name: 'none', peer: polycast, run: () => rest(0) },
        { name: many, peer: polycast, run: () => rest(count) },
      ],
      options,
    );
    return {
      settings: { subscriptions: count, restSeconds },
      series,
      bars: [
        {
          title: 'resident memory of each subscription',
          figure: metricOf(series, many, 'residentBytesEach') / 1000,
          atMost: bytesMax / 1000,
          unit: 'kB',
        },
        {
          title: 'CPU of the idle hub, beyond that without subscriptions',
          figure:
            (metricOf(series, many, 'idleCpuMicrosecondsPerSecond') -
              metricOf(series, 'none', 'idleCpuMicrosecondsPerSecond')) /
            1000,
          unit: 'ms/s',
        },
      ],
      charts: [{ title: 'Memory of a subscription', figure: 'residentBytesEach', unit: 'bytes', better: 'less' }],
      columns: [
        { title: 'resident bytes each', figure: 'residentBytesEach' },
        { title: 'live bytes each', figure: 'bytesEach' },
        { title: 'CPU at rest, µs/s', figure: 'idleCpuMicrosecondsPerSecond' },
      ],
    };
  },
};

const matching = 1000;
const publishesPerSecond = 2;

async function publishTo(subscriptions: number, options: RunOptions): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'), quietLogging);
  try {
    const pids = hub.process.pids().join(',');
    const events = options.quick ? 20 : 100;
    const warmUpEvents = 20;
    const expect = (events + warmUpEvents) * subscriptions;
    const endpoints = subscriptions === 0 ? undefined : await startEndpoints({ expect, pids, timeoutSeconds: 120 });
    await subscribeMany(hub, subscriptions, (index) => ({
      channels: ['bench.0'],
      delivery: { kind: 'webhook', url: `http://127.0.0.1:${endpoints?.port}/well/${index}` },
    }));
    const published = await runLoad('fanout', {
      port: hub.port,
      pids,
      transport: 'sse',
      ...polycast.subscribeOptions('sse'),
      ...polycast.publishOptions(),
      subscribers: 1,
      publishers: 1,
      rate: publishesPerSecond,
      events,
      warmUpEvents,
      eventBytes: 128,
    });
    return { ...published, missingDeliveries: (await endpoints?.received)?.['missingDeliveries'] ?? 0 };
  } finally {
    await hub.process.stop();
  }
}

export const matchingPublishes: Scenario = {
  name: 'matching-publishes',
  title: 'The answer to a publish that matches 1,000 webhooks',
  run: async (options) => {
    const few = 'no webhook';
    const many = '1,000 webhooks';
    const series = await runInterleaved(
      [
        { name: few, peer: polycast, run: () => publishTo(0, options) },
        { name: many, peer: polycast, run: () => publishTo(matching, options) },
      ],
      options,
    );
    return {
      settings: { matching, publishesPerSecond },
      series,
      bars: [
        {
          title: 'median time to the answer, relative to a hub without webhooks',
          figure: ratioOf(series, many, few, 'acknowledgedP50Microseconds'),
          atMost: 1.1,
          unit: '×',
        },
        { title: 'webhooks missing', figure: metricOf(series, many, 'missingDeliveries'), atMost: 0, unit: '' },
      ],
      charts: [
        { title: 'Publish to answer, median', figure: 'acknowledgedP50Microseconds', unit: 'µs', better: 'less' },
      ],
      columns: [
        { title: 'answered, p50 µs', figure: 'acknowledgedP50Microseconds' },
        { title: 'answered, p99 µs', figure: 'acknowledgedP99Microseconds' },
      ],
    };
  },
};
