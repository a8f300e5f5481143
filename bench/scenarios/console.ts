// The cost of looking: the page Overview of the console is open while 10,000 connections receive
// 50,000 deliveries/s, and the same load without the page.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { nothingLost } from '../harness/fanout.ts';
import { freshFolder } from '../harness/folders.ts';
import { type LoadRun, runLoad } from '../harness/load.ts';
import {
  freePort,
  loadCore,
  serverCore,
  startPinned,
  waitUntilReady,
  acceptsConnections,
} from '../harness/processes.ts';
import { metricOf, type RunOptions, runInterleaved, type Scenario } from '../harness/scenario.ts';
import { commandOf, polycast } from '../peers/polycast.ts';

const connections = 10_000;
const eventsPerSecond = 5;
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

export const consolePage: Scenario = {
  name: 'console',
  title: 'The console is open: 50,000 deliveries/s to 10,000 SSE connections',
  run: async (options) => {
    const series = await runInterleaved(
      [
        { name: 'polycast', peer: polycast, run: () => run(false, options) },
        { name: 'polycast, Overview open', peer: polycast, run: () => run(true, options) },
      ],
      options,
    );
    const cpu = 'serverCpuPercent';
    return {
      settings: { connections, eventsPerSecond, seconds: seconds(options) },
      series,
      bars: [
        {
          title: 'CPU of the hub for the page, of one core',
          figure: metricOf(series, 'polycast, Overview open', cpu) - metricOf(series, 'polycast', cpu),
          atMost: 3,
          unit: '%',
        },
        {
          title: 'the longest task in the page',
          figure: metricOf(series, 'polycast, Overview open', 'longestTaskMs'),
          atMost: 100,
          unit: 'ms',
        },
        nothingLost(series, 'polycast, Overview open'),
      ],
      charts: [],
      columns: [
        { title: 'CPU of the hub, % of one core', figure: cpu },
        { title: 'p99 of a delivery, µs', figure: 'latencyP99Microseconds' },
        { title: 'longest task in the page, ms', figure: 'longestTaskMs' },
      ],
    };
  },
};

function seconds({ quick }: RunOptions): number {
  return quick ? 5 : 60;
}

async function run(isOpen: boolean, options: RunOptions): Promise<LoadRun> {
  const port = await freePort();
  const args = ['dev', '--listen', `127.0.0.1:${port}`, '--data', join(freshFolder('hub'), 'data')];
  const hub = startPinned(commandOf([...args, '--set', 'lab.enabled=false']), {
    core: serverCore,
    environment: { NODE_ENV: 'production' },
  });
  let browser: Browser | undefined;
  try {
    await waitUntilReady(hub, () => acceptsConnections(port), 2);
    const page = isOpen ? await openOverview((browser = await openBrowser()), port) : undefined;
    const load = await runLoad('fanout', {
      port,
      pids: hub.pids().join(','),
      transport: 'sse',
      ...polycast.subscribeOptions('sse'),
      ...polycast.publishOptions(),
      subscribers: connections,
      rate: eventsPerSecond,
      warmUpEvents: eventsPerSecond * 5,
      events: eventsPerSecond * seconds(options),
      eventBytes: 128,
    });
    return { ...load, ...(page !== undefined && { longestTaskMs: await page.longestTaskMs() }) };
  } finally {
    await browser?.close();
    await hub.stop();
  }
}

/** On the core of the load, so that it takes no time of the hub. */
function openBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is not installed`);
  const pinned = join(freshFolder('browser'), 'chromium');
  writeFileSync(pinned, `#!/bin/sh\nexec taskset -c ${loadCore} ${CHROMIUM} "$@"\n`, { mode: 0o755 });
  return chromium.launch({ executablePath: pinned, args: ['--no-sandbox'] });
}

/**
 * The page, and the time of its longest task, as the browser reports it. 0: none took over 50 ms.
 */
async function openOverview(browser: Browser, port: number): Promise<{ longestTaskMs(): Promise<number> }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(`http://127.0.0.1:${port}/console/`);
  await page.locator('main h1').waitFor();
  await page.evaluate(OBSERVE_TASKS);
  return { longestTaskMs: async () => Number(await page.evaluate('globalThis.longestTaskMs')) };
}

const OBSERVE_TASKS = `
  globalThis.longestTaskMs = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries())
      globalThis.longestTaskMs = Math.max(globalThis.longestTaskMs, duration);
  }).observe({ type: 'longtask' });`;
