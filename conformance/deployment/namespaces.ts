import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atExit } from '../kit/at-exit.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';
import { joinSockets } from './relay.ts';

/**
 * Namespaces are the part of the kernel that containers consist of. For example, a process in a
 * network namespace has its own addresses and ports, and one in a mount namespace has its own file
 * systems. A test that boots systemd, or runs containers, does it in namespaces. Nothing inside
 * changes the machine, and all of it ends with the first process.
 */
export interface Namespaces {
  /** Runs a command inside, to its end. */
  run(command: string, ...args: string[]): Finished;
  /** The same; returns what the command printed. @throws Error unless it ends with 0 */
  output(command: string, ...args: string[]): string;
  /** The same, while this process goes on: what runs inside may wait for its answers. */
  outputMeanwhile(command: string, ...args: string[]): Promise<string>;
  /** The same namespaces, of which commands enter only these kinds. */
  with(kinds: readonly string[]): Namespaces;
  /** A port of the loopback outside that leads to one of the loopback inside. */
  reach(port: number): Promise<number>;
}

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Only root may make them. A test is skipped for other users. */
export const canMakeNamespaces: boolean = process.getuid?.() === 0;

/**
 * Starts a program that becomes `unshare --kill-child`. The namespaces end with the test file.
 * @param kinds options of `nsenter`
 */
export async function makeNamespaces(
  program: readonly [string, ...string[]],
  kinds: readonly string[],
): Promise<Namespaces> {
  const [command, ...args] = program;
  const maker = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  maker.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  let first: number | undefined;
  await until(`${command} has made namespaces`, () => {
    if (maker.exitCode !== null) throw new Error(`${command} ended with ${maker.exitCode}: ${errors}`);
    return (first = childOf(maker)) !== undefined;
  });
  const target = first as number;
  atExit(() => killAndWait(target));
  return namespacesOf(target, kinds);
}

function namespacesOf(target: number, kinds: readonly string[]): Namespaces {
  return {
    run: (inner, ...rest) => runInside(target, kinds, inner, rest),
    output(inner, ...rest) {
      const { status, stdout, stderr } = runInside(target, kinds, inner, rest);
      if (status !== 0) throw new Error(`${inner} ${rest.join(' ')} ended with ${status}: ${stdout}${stderr}`);
      return stdout;
    },
    async outputMeanwhile(inner, ...rest) {
      const args = [`--target=${target}`, ...kinds, inner, ...rest];
      const { stdout } = await promisify(execFile)('nsenter', args, { timeout: COMMAND_TIMEOUT_MS });
      return stdout;
    },
    with: (others) => namespacesOf(target, others),
    reach: (port) => startRelay(target, port),
  };
}

/** A command inside takes no longer: an image is built meanwhile. */
const COMMAND_TIMEOUT_MS = 180_000;

function runInside(target: number, kinds: readonly string[], command: string, args: readonly string[]): Finished {
  const { error, ...finished } = spawnSync('nsenter', [`--target=${target}`, ...kinds, command, ...args], {
    encoding: 'utf8',
    timeout: COMMAND_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  return finished;
}

/** A program inside listens on a socket in the file system, which both sides see. */
async function startRelay(target: number, port: number): Promise<number> {
  const socket = join(temporaryFolder('relay'), 'socket');
  const program = join(import.meta.dirname, 'relay.ts');
  const relay = spawn('nsenter', [`--target=${target}`, '--net', process.execPath, program, socket, String(port)], {
    stdio: 'inherit',
  });
  atExit(() => relay.kill('SIGKILL'));
  await until('the relay listens', () => existsSync(socket));
  const outside = createServer({ allowHalfOpen: true }, (incoming) => joinSockets(incoming, connect(socket)));
  await once(outside.listen(0, '127.0.0.1'), 'listening');
  atExit(() => outside.close());
  return (outside.address() as AddressInfo).port;
}

/** All processes inside end with the first one. */
function killAndWait(target: number): void {
  if (existsSync(`/proc/${target}`)) process.kill(target, 'SIGKILL');
  const timer = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; existsSync(`/proc/${target}`) && tries < 1000; tries++) Atomics.wait(timer, 0, 0, 5);
}

/** The first process inside, once the program has become `unshare`. */
function childOf({ pid }: ChildProcess): number | undefined {
  if (readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'unshare\n') return undefined;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}
