// A hub of two processes beside one of one process. Hub and load share both cores.
import { setTimeout as sleep } from 'node:timers/promises';
import { deliveryColumns, nothingLost, runFanout } from '../harness/fanout.ts';
import { freshFolder } from '../harness/folders.ts';
import { allCores } from '../harness/processes.ts';
import {
  type Contender,
  type Outcome,
  ratioOf,
  type RunOptions,
  runInterleaved,
  type Scenario,
} from '../harness/scenario.ts';
import type { LoadRun } from '../harness/load.ts';
import type { Peer } from '../peers/peer.ts';
import { polycast, type RunningHub, startHub } from '../peers/polycast.ts';

const readers = 1_800;
const eventBytes = 128;
/** What the CPU of one delivery is measured with: each event is a write of its own. */
const pacedPerSecond = 50;
/** More than one process delivers. */
const saturatingPerSecond = 2_000;
const ONE = '1 process';
const TWO = '2 processes';
const pacedFigure = 'pacedCpuMicrosecondsPerDelivery';
const readyCheckMs = 20;

export const processes: Scenario = {
  name: 'processes',
  title: `${TWO} beside ${ONE}: ${readers} SSE readers, ${pacedPerSecond} events/s, and more than one process delivers`,
  run,
};

async function run(options: RunOptions): Promise<Outcome> {
  const seconds = options.quick ? 2 : 10;
  const load = { subscribers: readers, channels: 1, eventBytes };
  const paced = { ...load, rate: pacedPerSecond, events: pacedPerSecond * seconds, warmUpEvents: 100 };
  const saturated = { ...load, rate: saturatingPerSecond, events: saturatingPerSecond * seconds, warmUpEvents: 500 };
  const contender = (name: string, count: number): Contender => {
    const peer: Peer = { ...polycast, name, start: () => startProcesses(count) };
    const run = async (): Promise<LoadRun> => {
      const { serverCpuMicrosecondsPerDelivery } = await runFanout(peer, 'sse', paced, allCores);
      const full = await runFanout(peer, 'sse', saturated, allCores);
      return { ...full, [pacedFigure]: serverCpuMicrosecondsPerDelivery ?? Number.NaN };
    };
    return { name, peer, run };
  };
  const series = await runInterleaved([contender(ONE, 1), contender(TWO, 2)], options);
  return {
    settings: { readers, pacedPerSecond, saturatingPerSecond, seconds, eventBytes },
    series,
    bars: [
      {
        title: `deliveries/s of ${TWO}, relative to ${ONE}`,
        figure: ratioOf(series, TWO, ONE, 'deliveriesPerSecond'),
        atLeast: 1.5,
        unit: '×',
      },
      {
        title: `CPU per delivery of ${TWO} at ${pacedPerSecond} events/s, relative to ${ONE}`,
        figure: ratioOf(series, TWO, ONE, pacedFigure),
        atMost: 1.15,
        unit: '×',
      },
      nothingLost(series, TWO),
    ],
    charts: [
      { title: 'Deliveries per second', figure: 'deliveriesPerSecond', unit: '', better: 'more' },
      { title: `CPU for one delivery at ${pacedPerSecond} events/s`, figure: pacedFigure, unit: 'µs', better: 'less' },
    ],
    columns: [...deliveryColumns, { title: 'CPU, µs a paced delivery', figure: pacedFigure }],
  };
}

/** The hub is ready when every process serves clients. */
async function startProcesses(count: number): Promise<RunningHub> {
  const hub = await startHub(freshFolder('hub'), [`processes=${count}`], allCores);
  for (;;) {
    const status = (await (await fetch(`${hub.url}/v1/status`)).json()) as { readonly processes?: readonly unknown[] };
    if ((status.processes?.length ?? 1) === count) return hub;
    await sleep(readyCheckMs);
  }
}
