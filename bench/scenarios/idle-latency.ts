// One reader, an idle hub: publish to receive, beside the least that any durable server must wait for, which is one
// fdatasync of a small append on the same disk and one round trip through a bare node:http server.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { nothingLost, runFanout } from '../harness/fanout.ts';
import { runLoad } from '../harness/load.ts';
import { type Contender, figureOf, runInterleaved, type Scenario, withServer } from '../harness/scenario.ts';
import { nchan } from '../peers/nchan.ts';
import { nodeHttp } from '../peers/node-http.ts';
import { polycast } from '../peers/polycast.ts';

const eventBytes = 128;
const appendBytes = 8_192;
const eventsPerSecond = 20;
// An idle hub is one that has long been running, not one that has just been started: both servers are first kept busy.
const warmUpEventsPerSecond = 500;
const ratioMax = 1.5;

export const idleLatency: Scenario = {
  name: 'idle-latency',
  title: 'One delivery on an idle hub, durable',
  run: async (options) => {
    const events = options.quick ? 60 : 300;
    const warmUpSeconds = options.quick ? 2 : 12;
    const load = {
      subscribers: 1,
      publishers: 1,
      rate: eventsPerSecond,
      events,
      warmUpEvents: warmUpEventsPerSecond * warmUpSeconds,
      warmUpRate: warmUpEventsPerSecond,
      eventBytes,
    };
    const disk: Contender = {
      name: 'fdatasync of 8 kB',
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
    };
    const roundTrip: Contender = {
      name: 'node:http round trip',
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
    };
    const delivery = (peer: typeof polycast): Contender => ({
      name: peer.name,
      peer,
      run: () => runFanout(peer, 'sse', load),
    });
    const series = await runInterleaved([delivery(polycast), disk, roundTrip, delivery(nchan)], options);
    const figure = 'latencyP50Microseconds';
    const floor = figureOf(series, disk.name, figure) + figureOf(series, roundTrip.name, figure);
    return {
      settings: { events, eventsPerSecond, warmUpEventsPerSecond, warmUpSeconds, eventBytes, appendBytes },
      series,
      bars: [
        {
          title: 'p50 by one fdatasync and one round trip',
          figure: figureOf(series, 'polycast', figure) / floor,
          atMost: ratioMax,
          unit: '×',
        },
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
