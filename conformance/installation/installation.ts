import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import { promisify } from 'node:util';
import { atExit } from '../kit/at-exit.ts';
import { within } from '../kit/wait.ts';

/**
 * An installation of Polycast as a user has it: a folder to work in, and the command. For example
 * `npx polycast` in a folder with the npm package, or the path of an executable.
 */
export interface Installation {
  readonly folder: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly environment: Readonly<Record<string, string>>;
}

/** `polycast dev`, as started from a terminal. */
export interface DevHub {
  readonly url: string;
  readonly output: () => string;
  /** Ctrl-C. Waits for the end of the hub itself, which may be a child of `npx`. */
  interrupt(): Promise<void>;
}

/**
 * The variables of a terminal, with the programs of this folder first. Those of the tests and of
 * npm scripts are left out. The machine's own settings of npm and of its network stay.
 */
export function plainEnvironment(programs: string): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:POLYCAST_|NODE_(?!EXTRA_CA_CERTS)|VITEST|npm_(?!config_))/.test(name),
  );
  const variables = Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
  return { ...variables, PATH: [programs, ...path].join(delimiter) };
}

/** Runs a command of the installation to its end. */
export async function polycast(installation: Installation, ...args: string[]): Promise<string> {
  const [program, ...rest] = installation.command;
  return run(installation, program, ...rest, ...args);
}

/** Runs any program in the folder, as in the user's terminal; returns both outputs. */
export async function run(
  { folder, environment }: Pick<Installation, 'folder' | 'environment'>,
  program: string,
  ...args: string[]
): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, args, {
    cwd: folder,
    env: environment,
    timeout: 300_000,
  });
  return stdout + stderr;
}

/**
 * Starts a program of the user, and ends it with this file.
 * A shell has the whole group end with Ctrl-C.
 */
export function start({ folder, environment }: Installation, program: string, ...args: string[]): ChildProcess {
  const child = spawn(program, args, {
    cwd: folder,
    env: environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.on(
    'exit',
    atExit(() => signal(child, 'SIGKILL')),
  );
  return child;
}

function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid !== undefined) process.kill(-pid, name);
}

export async function startDevHub(installation: Installation): Promise<DevHub> {
  const [program, ...rest] = installation.command;
  const child = start(installation, program, ...rest, 'dev', '--port', '0');
  const ended = once(child, 'exit');
  let output = '';
  const url = new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const listening = /listening on (\S+)\n/.exec(output)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    void ended.then(([code]) => reject(new Error(`polycast dev ended with ${String(code)}: ${output}`)));
  });
  return {
    url: await within('polycast dev to listen', url),
    output: () => output,
    async interrupt() {
      // The output ends when all processes of the command have ended.
      const closed = once(child, 'close');
      signal(child, 'SIGINT');
      await within('polycast dev to end', closed);
    },
  };
}
