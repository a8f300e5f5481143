// A hub of two processes beside one of one process. Hub and load share both cores.
import { setTimeout as sleep } from 'node:timers/promises';
import { nothingLost, runFanout } from '../harness/fanout.ts';
import { freshFolder } from '../harness/folders.ts';
import { allCores } from '../harness/processes.ts';
import {
  type Column,
  type Contender,
  metricOf,
  type Outcome,
  ratioOf,
  type RunOptions,
  runInterleaved,
  type Scenario,
  type Series,
} from '../harness/scenario.ts';
import type { LoadRun } from '../harness/load.ts';
import type { Peer } from '../peers/peer.ts';
import { polycast, type RunningHub, startHub } from '../peers/polycast.ts';

const cores = 2;
const eventBytes = 128;
/** What the CPU of one delivery is measured with: each event is a write of its own. */
const paced = { readers: 1_800, channels: 1, perSecond: 50 };
/**
 * What more than one process delivers. There are fewer publishers than channels, and each waits for
 * its answer. So two events of one channel do not wait together, and each delivery is a write of
 * its own here too.
 *
 * The readers stand for other machines, and have to share the cores of the hub. They are therefore
 * read at an interval, which costs a ninth of the hub's work. Read one by one, a delivery takes the
 * load generator more than half of what it takes the hub. Two processes could then be at most 1.2
 * times as fast as one.
 */
const saturated = { readers: 9_000, channels: 90, publishers: 88, readIntervalSeconds: 1 };
/** Between the rates of one process and of two. */
const saturatedPerSecond = 1_000;
const ONE = '1 process';
const TWO = '2 processes';
const pacedFigure = 'pacedCpuMicrosecondsPerDelivery';
const readyCheckMs = 20;

const columns: readonly Column[] = [
  { title: 'deliveries/s', figure: 'deliveriesPerSecond' },
  { title: 'hub: CPU, µs a delivery', figure: 'serverCpuMicrosecondsPerDelivery' },
  { title: 'load: CPU, µs a delivery', figure: 'loadCpuMicrosecondsPerDelivery' },
  { title: 'hub, % of a core', figure: 'serverCpuPercent' },
  { title: 'its busiest thread, %', figure: 'busiestThreadPercent' },
  { title: 'the next one, %', figure: 'secondThreadPercent' },
  { title: 'load, % of a core', figure: 'loadCpuPercent' },
  { title: 'idle, % of a core', figure: 'idlePercent' },
  { title: 'taken by the host, %', figure: 'stolenPercent' },
  { title: 'other programs, %', figure: 'otherProgramsPercent' },
  { title: 'writes a delivery', figure: 'serverWritesPerDelivery' },
  { title: 'paced: CPU, µs a delivery', figure: pacedFigure },
  { title: 'missing', figure: 'missingDeliveries' },
];

export const processes: Scenario = {
  name: 'processes',
  title: `${TWO} beside ${ONE}, the load on the same two cores`,
  run,
};

async function run(options: RunOptions): Promise<Outcome> {
  const seconds = options.quick ? 2 : 12;
  const pacedLoad = {
    subscribers: paced.readers,
    channels: paced.channels,
    rate: paced.perSecond,
    events: paced.perSecond * seconds,
    warmUpEvents: 100,
    eventBytes,
  };
  const { readers, ...saturation } = saturated;
  const saturatedLoad = {
    ...saturation,
    subscribers: readers,
    events: saturatedPerSecond * seconds,
    warmUpEvents: saturatedPerSecond * 2,
    eventBytes,
  };
  const contender = (name: string, count: number): Contender => {
    const peer: Peer = { ...polycast, name, start: () => startProcesses(count) };
    const run = async (): Promise<LoadRun> => {
      const { serverCpuMicrosecondsPerDelivery } = await runFanout(peer, 'sse', pacedLoad, allCores);
      const full = await runFanout(peer, 'sse', saturatedLoad, allCores);
      return { ...full, [pacedFigure]: serverCpuMicrosecondsPerDelivery ?? Number.NaN };
    };
    return { name, peer, run };
  };
  const series = await runInterleaved([contender(ONE, 1), contender(TWO, 2)], options);
  return {
    settings: {
      ...saturated,
      pacedReaders: paced.readers,
      pacedChannels: paced.channels,
      pacedPerSecond: paced.perSecond,
      seconds,
      eventBytes,
    },
    series,
    bars: [
      {
        title: `deliveries/s of ${TWO}, relative to ${ONE}`,
        figure: ratioOf(series, TWO, ONE, 'deliveriesPerSecond'),
        atLeast: 1.5,
        unit: '×',
      },
      {
        title: `the same by arithmetic: no core idle or used otherwise, CPU of a delivery as with ${ONE}`,
        figure: ceilingOf(series),
        unit: '×',
      },
      {
        title: `CPU per delivery of ${TWO} at ${paced.perSecond} events/s, relative to ${ONE}`,
        figure: ratioOf(series, TWO, ONE, pacedFigure),
        atMost: 1.15,
        unit: '×',
      },
      {
        title: `CPU per delivery of ${TWO}, at its most deliveries/s, relative to ${ONE}`,
        figure: ratioOf(series, TWO, ONE, 'serverCpuMicrosecondsPerDelivery'),
        unit: '×',
      },
      nothingLost(series, TWO),
    ],
    charts: [
      { title: 'Deliveries per second', figure: 'deliveriesPerSecond', unit: '', better: 'more' },
      {
        title: `CPU for one delivery at ${paced.perSecond} events/s`,
        figure: pacedFigure,
        unit: 'µs',
        better: 'less',
      },
    ],
    columns,
  };
}

/**
 * One process delivers at most as fast as its busiest thread, and several as fast as both cores
 * after the load's own share. These are times of the processor, so other programs do not change it.
 */
function ceilingOf(series: readonly Series[]): number {
  const figureOf = (figure: string): number => metricOf(series, ONE, figure);
  const percentOfMicroseconds = 1e4;
  const busiest = (figureOf('busiestThreadPercent') * percentOfMicroseconds) / figureOf('deliveriesPerSecond');
  const all = figureOf('serverCpuMicrosecondsPerDelivery') + figureOf('loadCpuMicrosecondsPerDelivery');
  return (cores * busiest) / all;
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
