// The cost of looking. 10,000 connections receive 50,000 deliveries/s. The page Overview of the
// console is open for ten seconds and closed for ten, in turns, so both are of the same run.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Browser } from 'playwright-core';
import { nothingLost } from '../harness/fanout.ts';
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import {
  cpuMsOf,
  freePort,
  loadCore,
  serverCore,
  type PinnedProcess,
  startPinned,
  waitUntilReady,
  acceptsConnections,
} from '../harness/processes.ts';
import { metricOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { median } from '../harness/statistics.ts';
import { commandOf, polycast } from '../peers/polycast.ts';

const connections = 10_000;
const eventsPerSecond = 5;
const turnSeconds = 10;
/** The page is shown within this time. */
const OPENING_SECONDS = 2;
const POLYCAST = 'polycast';
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** The share of one core that the hub takes, in percent, in the turns without and with the page. */
const closedPercent = 'closedPercent';
const openPercent = 'openPercent';
const pagePercent = 'pagePercent';
const longestTask = 'longestTaskMs';

export const consolePage: Scenario = {
  name: 'console',
  title: 'The console is open: 50,000 deliveries/s to 10,000 SSE connections',
  run: async (options) => {
    const series = await runInterleaved([{ name: POLYCAST, peer: polycast, run: () => run(options) }], options);
    return {
      settings: { connections, eventsPerSecond, turnSeconds, turns: turns(options) },
      series,
      bars: [
        {
          title: 'CPU of the hub for the page, of one core',
          figure: metricOf(series, POLYCAST, pagePercent),
          atMost: 3,
          unit: '%',
        },
        {
          title: 'the longest task in the page, in CPU time',
          figure: metricOf(series, POLYCAST, longestTask),
          atMost: 100,
          unit: 'ms',
        },
        nothingLost(series, POLYCAST),
      ],
      charts: [],
      columns: [
        { title: 'CPU of the hub, page closed, % of one core', figure: closedPercent },
        { title: 'page open', figure: openPercent },
        { title: 'p99 of a delivery, µs', figure: 'latencyP99Microseconds' },
        { title: 'longest task in the page, ms of CPU', figure: longestTask },
      ],
    };
  },
};

/** Pairs of turns: one without the page, one with it. */
function turns({ quick }: RunOptions): number {
  return quick ? 1 : 5;
}

async function run(options: RunOptions): Promise<LoadRun> {
  const port = await freePort();
  const args = ['dev', '--listen', `127.0.0.1:${port}`, '--data', join(freshFolder('hub'), 'data')];
  const hub = startPinned(commandOf([...args, '--set', 'lab.enabled=false']), {
    core: serverCore,
    environment: { NODE_ENV: 'production' },
  });
  const browser = await openBrowser();
  try {
    await waitUntilReady(hub, () => acceptsConnections(port), 2);
    const load = runLoad('fanout', {
      port,
      transport: 'sse',
      ...polycast.subscribeOptions('sse'),
      ...polycast.publishOptions(),
      subscribers: connections,
      rate: eventsPerSecond,
      warmUpEvents: eventsPerSecond * 5,
      events: eventsPerSecond * (2 * turns(options) * (turnSeconds + OPENING_SECONDS) + 5),
      eventBytes: 128,
    });
    const [loaded, looked] = await Promise.all([load, look(browser, hub, port, options)]);
    return { ...loaded, ...looked };
  } finally {
    await browser.close();
    await hub.stop();
  }
}

/** Looks at the page in turns, once all connections are open. */
async function look(browser: Browser, hub: PinnedProcess, port: number, options: RunOptions): Promise<LoadRun> {
  const url = `http://127.0.0.1:${port}`;
  while ((await openSessions(url)) < connections) await sleep(200);
  await browser.startTracing(undefined, { categories: ['toplevel', 'blink.user_timing', '__metadata'] });
  const closed: number[] = [];
  const open: number[] = [];
  for (let turn = 0; turn < turns(options); turn++) {
    closed.push(await cpuPercentOfTurn(hub));
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(`${url}/console/`);
    await page.locator('main h1').waitFor();
    open.push(await cpuPercentOfTurn(hub));
    await page.close();
  }
  return {
    [closedPercent]: median(closed),
    [openPercent]: median(open),
    [pagePercent]: median(open.map((percent, turn) => percent - (closed[turn] ?? Number.NaN))),
    [longestTask]: longestTaskMs(await browser.stopTracing(), `${url}/console/`),
  };
}

async function openSessions(url: string): Promise<number> {
  const answer = await fetch(`${url}/v1/status`);
  const { sessions } = (await answer.json()) as { readonly sessions: Readonly<Record<string, number>> };
  return Object.values(sessions).reduce((sum, count) => sum + count, 0);
}

async function cpuPercentOfTurn(hub: PinnedProcess): Promise<number> {
  const [startMs, before] = [performance.now(), cpuMsOf(hub)];
  await sleep(turnSeconds * 1000);
  return ((cpuMsOf(hub) - before) / (performance.now() - startMs)) * 100;
}

/**
 * The CPU time of the longest task of the page's main thread, its loading included. The time on the
 * clock has no meaning here: the browser shares its core with the load. Chromium has pages of its
 * own, such as the list below its address bar, whose loading costs three times as much.
 */
function longestTaskMs(trace: Buffer, url: string): number {
  const { traceEvents } = JSON.parse(trace.toString()) as { readonly traceEvents: readonly TraceEvent[] };
  const pages = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'navigationStart' && args?.data?.documentLoaderURL === url)
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = traceEvents.filter(({ pid, tid, tdur }) => tdur !== undefined && pages.has(`${pid} ${tid}`));
  if (tasks.length === 0) throw new Error('The trace has no task of the page.');
  return tasks.reduce((longest, { tdur = 0 }) => Math.max(longest, tdur / 1000), 0);
}

/** Of Chromium's trace format. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** CPU time, in microseconds. */
  readonly tdur?: number;
  readonly args?: { readonly data?: { readonly documentLoaderURL?: string } };
}

/** On the core of the load, so that it takes no time of the hub. */
function openBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is not installed`);
  const pinned = join(freshFolder('browser'), 'chromium');
  writeFileSync(pinned, `#!/bin/sh\nexec taskset -c ${loadCore} ${CHROMIUM} "$@"\n`, { mode: 0o755 });
  return chromium.launch({ executablePath: pinned, args: ['--no-sandbox'] });
}
