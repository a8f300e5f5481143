import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';
import { COMMAND } from './command.ts';
import { temporaryFolder } from './folders.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { within } from './wait.ts';

/** A hub in a process of its own, started like in production. */
export interface HubProcess {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Its log. */
  readonly log: () => string;
  /** Its standard output: the address, and the first key if it created one. */
  readonly output: () => string;
  /** Sends a signal and waits for the end. Returns the exit code, or null if it was killed. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface HubSettings {
  /** The program, `polycast` of this version if left out. */
  readonly command?: string;
  /** A data folder; in memory if left out. */
  readonly data?: string;
  /** The port; if left out, one that stays free for the next hub when this one is killed. */
  readonly port?: number;
  readonly config?: Readonly<Record<string, unknown>>;
  /** `ulimit -n` of the process. */
  readonly openFilesMax?: number;
  /** Writes beyond a limit of file sizes fail, and do not end the process. */
  readonly writesMayFail?: boolean;
  /** `access` comes from a configuration file that a variable names. */
  readonly accessFromConfig?: boolean;
  /** Variables in addition to this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a hub says that has closed and does not end: a part of it has left something open. */
const LEFT_OPEN = 'and left open:';
/** Of a log in the message of a failure. */
const SHOWN_LENGTH = 2_000;

/** Starts a hub and waits until it listens. It ends with this process. */
export async function startHubProcess({
  command: polycast = COMMAND,
  data = ':memory:',
  port,
  config,
  openFilesMax,
  writesMayFail = false,
  accessFromConfig = false,
  environment = {},
}: HubSettings = {}): Promise<HubProcess> {
  const args = [polycast, 'serve', '--listen', `127.0.0.1:${port ?? (await unusedPort())}`, '--data', data];
  if (config?.['access'] === undefined && !accessFromConfig) args.push('--set', 'access=loopback');
  if (config !== undefined) args.push('--config', configFile(config));
  const command = [process.execPath, ...args];
  const prepare = [
    ...(openFilesMax === undefined ? [] : [`ulimit -n ${openFilesMax}`]),
    ...(writesMayFail ? ["trap '' XFSZ"] : []),
  ];
  const prepared = ['sh', '-c', `${prepare.join('; ')}; exec "$@"`, 'sh', ...command];
  const [program, ...rest] = (prepare.length === 0 ? command : prepared) as [string, ...string[]];
  let isEnding = false;
  const child = spawn(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...plainEnvironment(), ...environment },
  });
  child.on(
    'exit',
    atExit(() => void child.kill('SIGKILL')),
  );
  let out = '';
  let log = '';
  child.on('exit', (code, signal) => {
    if (!isEnding) console.error(`A hub ended by itself (${code ?? signal}): ${log}`);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      const listening = /listening on (\S+)\n/.exec(out)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    child.on('exit', (code) => reject(new Error(`The hub ended with ${code} before it listened: ${out}${log}`)));
  });
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid as number,
    child,
    log: () => log,
    output: () => out,
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      isEnding = true;
      const ended = once(child, 'exit');
      child.kill(signal);
      const [code] = (await within(`the hub to end on ${signal}`, ended).catch((error: Error) => {
        throw new Error(`${error.message}: ${log.slice(-SHOWN_LENGTH)}`);
      })) as [number | null];
      if (log.includes(LEFT_OPEN)) throw new Error(`A hub has not ended by itself: ${log.slice(-SHOWN_LENGTH)}`);
      return code;
    },
  };
}

/** The processes that a process has started and that run, on Linux. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether a process runs, on Linux. One that has ended may wait for its parent to notice. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1];
  return Number(pages) * 4096;
}

/** JSON is YAML. */
function configFile(config: object): string {
  const path = join(temporaryFolder('config'), 'polycast.yaml');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

function plainEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:POLYCAST_|NODE_(?!COMPILE_CACHE)|VITEST)/.test(name),
  );
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
