// A scenario runs several servers with the same load and compares the results with its limits.
import { resolve } from 'node:path';
import type { Peer, RunningServer } from '../peers/peer.ts';
import { polycast, withCheckout } from '../peers/polycast.ts';
import type { LoadRun } from './load.ts';
import { medianOfEach } from './statistics.ts';

export interface RunOptions {
  readonly repeats: number;
  /** A short run of a minute or two. Its numbers are no result. */
  readonly quick: boolean;
  /**
   * The path of another checkout. Its hub alternates with this one, and other servers are left out.
   */
  readonly against?: string | undefined;
  /**
   * Both hubs run at the same time, on one core, under the same load each. They share its noise, so
   * a smaller change shows. A scenario with a steady rate gives each half of its load.
   */
  readonly atOnce: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  run(options: RunOptions): Promise<Outcome>;
}

export interface Outcome {
  /** A description of the load, so that a reader can repeat it. */
  readonly settings: Record<string, number | string>;
  readonly series: readonly Series[];
  readonly bars: readonly Bar[];
  readonly charts: readonly ChartOf[];
  /** The metrics in the page's table. The data file contains all metrics. */
  readonly columns: readonly Column[];
}

/** All runs of one server (or of one of its ways) in a scenario. */
export interface Series {
  readonly name: string;
  readonly version: string;
  readonly runs: readonly LoadRun[];
  readonly median: LoadRun;
  /** The reason why there are no runs. */
  readonly skipped?: string;
}

export interface Bar {
  readonly title: string;
  /** NaN if it could not be measured. */
  readonly figure: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: string;
}

export interface ChartOf {
  readonly title: string;
  readonly figure: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

export interface Column {
  readonly title: string;
  readonly figure: string;
}

/** One contender of a scenario: its name, its server, and a function that runs it once. */
export interface Contender {
  readonly name: string;
  readonly peer: Peer;
  run(): Promise<LoadRun>;
}

export const BEFORE = 'before';
export const AFTER = 'after';

/**
 * Runs all contenders in turn, once per round, so that a slow minute of the machine affects all of
 * them. Every second round runs in the opposite order: of two equal hubs, the second costs up to 10
 * % more CPU.
 */
export async function runInterleaved(all: readonly Contender[], options: RunOptions): Promise<Series[]> {
  const contenders = options.against === undefined ? all : beforeAndAfter(all, options.against);
  const runs = new Map<string, LoadRun[]>(contenders.map(({ name }) => [name, []]));
  const skipped = new Map<string, string>();
  const runOnce = async ({ name, peer, run }: Contender, round: number): Promise<void> => {
    const reason = skipped.get(name) ?? peer.unavailable();
    if (reason !== undefined) return void skipped.set(name, reason);
    try {
      const metrics = await run();
      runs.get(name)?.push(metrics);
      console.log(`  ${name} (run ${round + 1}): ${briefly(metrics)}`);
    } catch (error) {
      skipped.set(name, `run ${round + 1} failed: ${error instanceof Error ? error.message : String(error)}`);
      console.log(`  ${name} (run ${round + 1}): ${skipped.get(name)}`);
    }
  };
  const together = options.atOnce ? 2 : 1;
  for (let round = 0; round < options.repeats; round++) {
    const inOrder = round % 2 === 0 ? contenders : contenders.toReversed();
    for (let first = 0; first < inOrder.length; first += together)
      await Promise.all(inOrder.slice(first, first + together).map((contender) => runOnce(contender, round)));
  }
  return contenders.map(({ name, peer }) => seriesOf(name, peer, runs.get(name) ?? [], skipped.get(name)));
}

/**
 * Runs each of the hub's own contenders twice. Other servers show nothing about a change of the
 * hub.
 */
function beforeAndAfter(contenders: readonly Contender[], checkout: string): Contender[] {
  return contenders
    .filter(({ peer }) => peer === polycast)
    .flatMap(({ name, peer, run }) => [
      { name: `${name} (${BEFORE})`, peer, run: () => withCheckout(resolve(checkout), run) },
      { name: `${name} (${AFTER})`, peer, run },
    ]);
}

function seriesOf(name: string, peer: Peer, runs: readonly LoadRun[], skipped: string | undefined): Series {
  if (skipped !== undefined) return { name, version: '', runs: [], median: {}, skipped };
  return { name, version: peer.version(), runs, median: medianOfEach(runs) };
}

function briefly(metrics: LoadRun): string {
  const words = Object.entries(metrics).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`);
  return words.join(', ');
}

export async function withServer<T>(peer: Peer, use: (server: RunningServer) => Promise<T>): Promise<T> {
  const server = await peer.start();
  try {
    return await use(server);
  } finally {
    await server.process.stop();
  }
}

export function metricOf(series: readonly Series[], name: string, figure: string): number {
  return series.find((one) => one.name === name)?.median[figure] ?? Number.NaN;
}

/** One server's median divided by another's, of the same metric. */
export function ratioOf(series: readonly Series[], name: string, to: string, figure: string): number {
  return metricOf(series, name, figure) / metricOf(series, to, figure);
}

/** `reported`: a metric without a limit. */
export type Verdict = 'met' | 'missed' | 'reported' | 'not measured';

export function verdictOf(bar: Bar): Verdict {
  if (Number.isNaN(bar.figure)) return 'not measured';
  if (bar.atLeast === undefined && bar.atMost === undefined) return 'reported';
  const enough = bar.atLeast === undefined || bar.figure >= bar.atLeast;
  const notTooMuch = bar.atMost === undefined || bar.figure <= bar.atMost;
  return enough && notTooMuch ? 'met' : 'missed';
}
