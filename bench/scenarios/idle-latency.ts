// The delay from publish to receive, with one reader on an idle hub. It is compared with the least
// delay of any durable server. This is one fdatasync of a small append on the same disk, and one
// round trip through a bare node:http server. The speed of a shared machine changes by half within
// a minute. So the least delay is measured before and after each delivery, and compared per round.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { nothingLost, runFanout } from '../harness/fanout.ts';
import { runLoad } from '../harness/load.ts';
import { type Contender, runInterleaved, type Scenario, type Series, withServer } from '../harness/scenario.ts';
import { median } from '../harness/statistics.ts';
import { nchan } from '../peers/nchan.ts';
import { nodeHttp } from '../peers/node-http.ts';
import { polycast } from '../peers/polycast.ts';

const eventBytes = 128;
const appendBytes = 8_192;
const eventsPerSecond = 20;
// An idle hub has usually run for a while, so both servers handle some load first.
const warmUpEventsPerSecond = 500;
const ratioMax = 1.5;

type When = 'before' | 'after';

const figure = 'latencyP50Microseconds';

export const idleLatency: Scenario = {
  name: 'idle-latency',
  title: 'One delivery on an idle hub, durable',
  run: async (options) => {
    const events = options.quick ? 60 : 200;
    const warmUpSeconds = options.quick ? 2 : 8;
    const load = {
      subscribers: 1,
      publishers: 1,
      rate: eventsPerSecond,
      events,
      warmUpEvents: warmUpEventsPerSecond * warmUpSeconds,
      warmUpRate: warmUpEventsPerSecond,
      eventBytes,
    };
    const disk = (when: When): Contender => ({
      name: `fdatasync of 8 kB, ${when}`,
      peer: nodeHttp,
      run: async () => {
        const folder = freshFolder('disk');
        const run = await runLoad('disk', {
          file: join(folder, 'append'),
          bytes: appendBytes,
          rate: eventsPerSecond,
          count: events,
        });
        rmSync(folder, { recursive: true });
        return run;
      },
    });
    const roundTrip = (when: When): Contender => ({
      name: `node:http round trip, ${when}`,
      peer: nodeHttp,
      run: () =>
        withServer(nodeHttp, (server) =>
          runLoad('requests', {
            port: server.port,
            method: 'POST',
            path: '/publish/0',
            header: 'Content-Type: application/json',
            eventBytes,
            expectStatus: 201,
            connections: 1,
            rate: eventsPerSecond,
            warmUpRate: warmUpEventsPerSecond,
            warmUpSeconds,
            seconds: events / eventsPerSecond,
          }),
        ),
    });
    const delivery = (peer: typeof polycast): Contender => ({
      name: peer.name,
      peer,
      run: () => runFanout(peer, 'sse', load),
    });
    const series = await runInterleaved(
      [disk('before'), roundTrip('before'), delivery(polycast), disk('after'), roundTrip('after'), delivery(nchan)],
      options,
    );
    const ratios = ratiosByRound(series);
    return {
      settings: { events, eventsPerSecond, warmUpEventsPerSecond, warmUpSeconds, eventBytes, appendBytes },
      series,
      bars: [
        {
          title: 'p50, relative to one fdatasync and one round trip: the median round',
          figure: median(ratios),
          atMost: ratioMax,
          unit: '×',
        },
        { title: 'the worst round', figure: Math.max(...ratios), unit: '×' },
        nothingLost(series, 'polycast'),
      ],
      charts: [{ title: 'Publish to receive, median', figure, unit: 'µs', better: 'less' }],
      columns: [
        { title: 'p50, µs', figure },
        { title: 'p99, µs', figure: 'latencyP99Microseconds' },
        { title: 'max, µs', figure: 'latencyMaxMicroseconds' },
      ],
    };
  },
};

/** For each round, the delivery divided by the mean of the least before and after it. */
function ratiosByRound(series: readonly Series[]): number[] {
  const figuresOf = (name: string): number[] =>
    series.filter((one) => one.name === name).flatMap(({ runs }) => runs.map((run) => run[figure] ?? Number.NaN));
  const least = (['before', 'after'] as const).flatMap((when) => [
    figuresOf(`fdatasync of 8 kB, ${when}`),
    figuresOf(`node:http round trip, ${when}`),
  ]);
  return figuresOf('polycast').map(
    (delivered, round) => delivered / (least.reduce((sum, runs) => sum + (runs[round] ?? Number.NaN), 0) / 2),
  );
}
