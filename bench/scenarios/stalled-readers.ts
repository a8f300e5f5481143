// 200 MB of events go to 500 readers that read, while 1,000 others on the same channel never do.
// Those connect after a warm-up, and a second one fills the kernel's buffers of their connections.
import { deliveryColumns, nothingLost, runFanout } from '../harness/fanout.ts';
import { metricOf, ratioOf, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { polycast } from '../peers/polycast.ts';

const whole = { readers: 500, stalledReaders: 1_000 };
// For two hubs at once, a half each.
const half = { readers: whole.readers / 2, stalledReaders: whole.stalledReaders / 2 };
const eventBytes = 16_384;
// 500 readers of 64 events a second are 0.5 GB/s over the loopback interface, about half of what a
// core carries.
const eventsPerSecond = 64;
// The hub keeps the newest 16 MiB of events in memory. They are there after 16 s, and so do not
// count as growth.
const wholeWarmUpSeconds = 20;
const residentGrowthMaxMegabytes = 64;
const latencyRatioMax = 2;

export const stalledReadersScenario: Scenario = {
  name: 'stalled-readers',
  title: '200 MB to 500 readers, beside 1,000 that have stalled',
  run: async (options) => {
    const { readers, stalledReaders } = options.atOnce ? half : whole;
    const megabytes = options.quick ? 20 : 200;
    const warmUpSeconds = options.quick ? 3 : wholeWarmUpSeconds;
    const load = {
      subscribers: readers,
      eventBytes,
      rate: eventsPerSecond,
      events: Math.ceil((megabytes * 1e6) / eventBytes),
      warmUpEvents: eventsPerSecond * warmUpSeconds,
    };
    const stalled = `polycast, ${stalledReaders.toLocaleString('en')} stalled`;
    const series = await runInterleaved(
      [
        { name: 'polycast, none stalled', peer: polycast, run: () => runFanout(polycast, 'sse', load) },
        {
          name: stalled,
          peer: polycast,
          run: () => runFanout(polycast, 'sse', { ...load, stalled: stalledReaders }),
        },
      ],
      options,
    );
    return {
      settings: { readers, stalledReaders, megabytes, eventBytes, eventsPerSecond, warmUpSeconds },
      series,
      bars: [
        {
          title: 'growth of resident memory',
          figure: metricOf(series, stalled, 'residentGrowthKilobytes') / 1000,
          atMost: residentGrowthMaxMegabytes,
          unit: 'MB',
        },
        {
          title: 'p99 of the other readers, relative to a run without stalled ones',
          figure: ratioOf(series, stalled, 'polycast, none stalled', 'latencyP99Microseconds'),
          atMost: latencyRatioMax,
          unit: '×',
        },
        nothingLost(series, stalled),
      ],
      charts: [{ title: 'Delivery, 99th percentile', figure: 'latencyP99Microseconds', unit: 'µs', better: 'less' }],
      columns: [...deliveryColumns, { title: 'memory grown by, kB', figure: 'residentGrowthKilobytes' }],
    };
  },
};
