// A steady rate: the CPU time of one delivery when few events can share a batch.
import { deliveryColumns, fanoutContenders, nothingLost } from '../harness/fanout.ts';
import { type Outcome, ratioOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { centrifugo } from '../peers/centrifugo.ts';
import { mercure } from '../peers/mercure.ts';
import { nchan } from '../peers/nchan.ts';
import { nodeHttp } from '../peers/node-http.ts';
import { polycast } from '../peers/polycast.ts';

interface Pace {
  readonly readers: number;
  readonly channels: number;
  readonly eventsPerSecond: number;
}

const eventBytes = 128;

/** Half of the deliveries: of many channels the half, of one the half of its readers. */
function halfOf({ readers, channels, eventsPerSecond }: Pace): Pace {
  return channels === 1
    ? { readers: readers / 2, channels, eventsPerSecond }
    : { readers: readers / 2, channels: channels / 2, eventsPerSecond: eventsPerSecond / 2 };
}

async function paced(whole: Pace, atMost: number, options: RunOptions): Promise<Outcome> {
  const pace = options.atOnce ? halfOf(whole) : whole;
  const seconds = options.quick ? 3 : 10;
  const load = {
    subscribers: pace.readers,
    channels: pace.channels,
    rate: pace.eventsPerSecond,
    events: pace.eventsPerSecond * seconds,
    warmUpEvents: pace.eventsPerSecond * 2,
    eventBytes,
  };
  const series = await runInterleaved(
    fanoutContenders([polycast, nchan, nodeHttp, centrifugo, mercure], 'sse', load),
    options,
  );
  const figure = 'serverCpuMicrosecondsPerDelivery';
  return {
    settings: { ...pace, seconds, eventBytes },
    series,
    bars: [
      {
        title: 'CPU per delivery, relative to nchan',
        figure: ratioOf(series, 'polycast', 'nchan', figure),
        atMost,
        unit: '×',
      },
      nothingLost(series, 'polycast'),
    ],
    charts: [{ title: 'CPU for one delivery', figure, unit: 'µs', better: 'less' }],
    columns: deliveryColumns,
  };
}

export const pacedSse: Scenario = {
  name: 'paced-sse',
  title: '50 events/s to 1,800 SSE readers of one channel',
  run: (options) => paced({ readers: 1_800, channels: 1, eventsPerSecond: 50 }, 1.1, options),
};

export const manyChannelsSse: Scenario = {
  name: 'many-channels-sse',
  title: '1,000 events/s over 900 channels of 10 SSE readers',
  run: (options) => paced({ readers: 9_000, channels: 900, eventsPerSecond: 1_000 }, 2, options),
};
