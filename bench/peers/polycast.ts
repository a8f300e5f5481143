// The hub itself, with its defaults: every event is durable before it is delivered. Only this file
// names the command.
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freshFolder, repositoryFolder } from '../harness/folders.ts';
import {
  acceptsConnections,
  freePort,
  type PinnedProcess,
  serverCore,
  startPinned,
  waitUntilReady,
} from '../harness/processes.ts';
import type { Peer, RunningServer } from './peer.ts';

const readyCheckMs = 2;

/**
 * The checkout that a run takes the hub's program from, if it is not this repository. Two runs may
 * be under way at once, with a checkout each.
 */
const otherCheckout = new AsyncLocalStorage<string>();

/** During `run`, hubs are started from another checkout. */
export function withCheckout<T>(other: string, run: () => Promise<T>): Promise<T> {
  return otherCheckout.run(other, run);
}

function checkout(): string {
  return otherCheckout.getStore() ?? repositoryFolder;
}

/** The hub's program in a checkout: its sources, or the package that users install. */
const SOURCES = 'packages/server/src/cli/polycast.ts';
const PACKAGE = 'packages/server/dist/lib/polycast.js';
let programFile = SOURCES;

/**
 * During `run`, hubs are started from the package of the checkout, which is built before. A start
 * from sources takes longer, since Node strips their types.
 */
export async function withPackage<T>(run: () => Promise<T>): Promise<T> {
  execFileSync(process.execPath, [join(checkout(), 'scripts/build.ts'), '--if-stale'], { stdio: 'ignore' });
  programFile = PACKAGE;
  try {
    return await run();
  } finally {
    programFile = SOURCES;
  }
}

function program(): string {
  return join(checkout(), programFile);
}

/** A command of the hub's program. */
export function commandOf(words: readonly string[]): string[] {
  return [process.execPath, program(), ...words];
}

function command(
  port: number,
  dataFolder: string,
  settings: readonly string[],
  nodeArguments: readonly string[],
): string[] {
  const set = ['access=loopback', ...settings].flatMap((setting) => ['--set', setting]);
  return [
    process.execPath,
    ...nodeArguments,
    program(),
    'serve',
    '--listen',
    `127.0.0.1:${port}`,
    '--data',
    dataFolder,
    ...set,
  ];
}

export interface RunningHub extends RunningServer {
  readonly url: string;
  /** The time from the start of the process to the first 200 of /readyz. */
  readonly readyMs: number;
}

/**
 * @param settings `path=value` of the configuration
 * @param core of the hub; `allCores` for a hub of several processes
 */
export async function startHub(
  dataFolder: string,
  settings: readonly string[] = [],
  core: number | string = serverCore,
  nodeArguments: readonly string[] = [],
): Promise<RunningHub> {
  const port = await freePort();
  const isTls = settings.some((setting) => setting.startsWith('tls.'));
  const url = `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const hub: PinnedProcess = startPinned(command(port, dataFolder, settings, nodeArguments), {
    core,
    environment: { NODE_ENV: 'production' },
  });
  await waitUntilReady(hub, () => (isTls ? acceptsConnections(port) : isReady(url)), readyCheckMs);
  return { port, process: hub, url, readyMs: performance.now() - hub.startedAtMs };
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`);
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false; // not listening yet
  }
}

export const polycast: Peer = {
  name: 'polycast',
  unavailable: () => (existsSync(program()) ? undefined : "the hub's command line is not in this checkout yet"),
  version: () => {
    const { version } = JSON.parse(readFileSync(join(repositoryFolder, 'packages/server/package.json'), 'utf8')) as {
      version: string;
    };
    return `polycast ${version}, Node ${process.versions.node}`;
  },
  start: () => startHub(freshFolder('hub')),
  subscribeOptions: () => ({ subscribePath: '/v1/events?channel=bench.{c}' }),
  publishOptions: () => ({
    publishPath: '/v1/channels/bench.{c}/events',
    publishHeader: 'Content-Type: application/json',
  }),
};

/** Publishes events one by one and returns their ids, which are also the cursors after them. */
export async function publishToHub(hub: RunningHub, channel: string, events: number): Promise<string[]> {
  const ids: string[] = [];
  for (let number = 0; number < events; number++) {
    const answer = await fetch(`${hub.url}/v1/channels/${channel}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: markedEvent(number),
    });
    if (answer.status !== 201) throw new Error(`publish was answered ${answer.status}: ${await answer.text()}`);
    ids.push(((await answer.json()) as { id: string }).id);
  }
  return ids;
}

/** An event that the load generator counts as a delivery. */
export function markedEvent(number: number): string {
  return JSON.stringify({ t: `~T${String(number).padStart(16, '0')}`, p: 'x'.repeat(88) });
}

/** The sum over all labels of one metric. */
export async function readMetric(hub: RunningHub, name: string): Promise<number> {
  const lines = (await (await fetch(`${hub.url}/metrics`)).text()).split('\n');
  const values = lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  if (values.length === 0) return Number.NaN;
  return values.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

const goneCheckMs = 100;

/** Closing costs time as well, which must not count as the opening of the next connections. */
export async function allGone(hub: RunningHub): Promise<void> {
  while ((await readMetric(hub, 'polycast_sessions')) > 0) await sleep(goneCheckMs);
}
