// Processes of a run: they are started on one core, awaited, and ended by their own ids.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const serverCore = 0;
export const loadCore = 1;
/** Where server and load are not kept apart. */
export const allCores = '0,1';

const readyTimeoutMs = 60_000;
// Longer than a hub needs to disconnect its readers.
const stopTimeoutMs = 20_000;
const outputBytesMax = 8_192;

export interface PinnedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly startedAtMs: number;
  /** The end of its output, for error messages. */
  output(): string;
  /** Its own id and those of its children, such as nginx's workers. */
  pids(): number[];
  stop(): Promise<void>;
}

export interface ProcessOptions {
  /** One core, or several as `taskset` lists them: `0,1`. */
  readonly core: number | string;
  readonly environment?: Record<string, string>;
  readonly folder?: string;
}

const running = new Set<ChildProcess>();
// A run that fails or is ended leaves no server behind, which would disturb the next one.
process.on('exit', () => {
  for (const { pid } of running) if (pid !== undefined) for (const each of withChildren(pid)) endNow(each);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

export function startPinned(command: readonly string[], options: ProcessOptions): PinnedProcess {
  const startedAtMs = performance.now();
  const child = spawn('taskset', ['-c', String(options.core), ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.folder,
    env: { ...process.env, ...options.environment },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let output = '';
  const keep = (bytes: Buffer): void => {
    output = (output + bytes.toString()).slice(-outputBytesMax);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.on('error', (error) => keep(Buffer.from(String(error))));
  // taskset replaces itself by the command, so this is the server's own id.
  const pid = child.pid ?? 0;
  return {
    child,
    pid,
    startedAtMs,
    output: () => output,
    pids: () => withChildren(pid),
    stop: () => stopProcess(child),
  };
}

function withChildren(pid: number): number[] {
  const found = [pid];
  for (const task of readOrNothing(() => readdirSync(`/proc/${pid}/task`))) {
    const children = readOrNothing(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' '));
    for (const child of children) if (child !== '') found.push(...withChildren(Number(child)));
  }
  return found;
}

function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** The CPU time of all threads. The kernel counts it in steps of 10 ms. */
export function cpuMsOf({ pids }: PinnedProcess): number {
  return pids().reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}

function readOrNothing(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return []; // the process is gone
  }
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await ended;
  clearTimeout(kill);
}

/**
 * Waits for `isReady`. If the process ends before that, throws an error with its output. The
 * interval grows to 0.5 % of the time since the start: each check takes CPU from the server.
 */
export async function waitUntilReady(
  started: PinnedProcess,
  isReady: () => Promise<boolean>,
  intervalMs: number = 20,
): Promise<void> {
  const deadlineMs = performance.now() + readyTimeoutMs;
  while (!(await isReady())) {
    if (started.child.exitCode !== null) throw new Error(`the server ended while starting: ${started.output()}`);
    if (performance.now() > deadlineMs) throw new Error(`the server is not ready: ${started.output()}`);
    await sleep(Math.max(intervalMs, (performance.now() - started.startedAtMs) / 200));
  }
}

export function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** nginx's master listens before it has a worker; only an answer shows that there is one. */
export async function answersRequests(port: number): Promise<boolean> {
  try {
    await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer();
    return true;
  } catch {
    return false; // not listening yet
  }
}

export async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new Error('there is no free port');
  return port;
}

// Below the kernel's range of ephemeral ports. A client that connects to a free port within that
// range may connect to itself.
const unusedPortMin = 20_000;
const unusedPortMax = 30_000;

let nextUnusedPort = unusedPortMin + (process.pid % 5000);

/**
 * Returns a free port, and another one at each call: two runs at once ask before either listens. A
 * client that connects to it too early is refused.
 */
export async function freeUnusedPort(): Promise<number> {
  while (nextUnusedPort < unusedPortMax) {
    const port = nextUnusedPort++;
    if ((await listenOnce(port)) !== undefined) return port;
  }
  throw new Error('there is no free port');
}

/** Undefined if another program listens on it. */
async function listenOnce(wanted: number): Promise<number | undefined> {
  const server = createServer();
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(wanted, '127.0.0.1', () => resolve(true));
  });
  if (!listening) return undefined;
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a short command to its end; undefined when it does not exist or fails. */
export function outputOf(command: string, ...words: string[]): string | undefined {
  const result = spawnSync(command, words, { encoding: 'utf8' });
  return result.status === 0 ? `${result.stdout}${result.stderr}`.trim() : undefined;
}
