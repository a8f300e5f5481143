import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { parseConfig } from '../config/parse.ts';
import { startHub, type Hub } from '../main.ts';
import { runCommandLine } from './command-line.ts';
import type { Terminal } from './terminal.ts';

/** The result of a command line. */
export interface CliResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running command line. It is killed when the test ends. */
export interface RunningCli {
  readonly child: ChildProcessWithoutNullStreams;
  /** All output so far. */
  readonly out: () => string;
  readonly err: () => string;
  /**
   * Settles with the first match in past or future output; rejects when the command ends without
   * one.
   */
  outMatches(pattern: RegExp): Promise<RegExpExecArray>;
  errMatches(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<CliResult>;
}

const ENTRY = process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, 'polycast.ts');

/** Runs a command line to its end. */
export async function runCli(args: readonly string[], { stdin, env }: CliOptions = {}): Promise<CliResult> {
  const cli = startCli(args, env);
  cli.child.stdin.on('error', () => undefined);
  cli.child.stdin.end(stdin ?? '');
  return cli.ended;
}

/** Runs a command line in this process: for commands that end before they do anything. */
export async function runInside(args: readonly string[]): Promise<CliResult> {
  const out: string[] = [];
  const err: string[] = [];
  const plain = (_style: unknown, text: string): string => text;
  const terminal: Terminal = {
    out: (line) => void out.push(`${line}\n`),
    outBytes: (bytes) => void out.push(Buffer.from(bytes).toString()),
    notice: (line) => void err.push(`${line}\n`),
    drained: () => undefined,
    progress: () => undefined,
    clearProgress: () => undefined,
    style: plain,
    noticeStyle: plain,
    isInteractive: false,
    columns: 80,
  };
  const code = await runCommandLine(args, terminal);
  return { code, out: out.join(''), err: err.join('') };
}

/** Starts a command line in a process of its own. */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCli {
  const child = spawn(process.execPath, [ENTRY, ...args], { env: { ...plainEnvironment(), ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  const out = watch(child.stdout);
  const err = watch(child.stderr);
  const code = new Promise<number | null>((resolve) => void child.on('close', resolve));
  const ended = code.then((each) => ({ code: each, out: out.text(), err: err.text() }));
  return {
    child,
    out: out.text,
    err: err.text,
    outMatches: matcher(out, ended),
    errMatches: matcher(err, ended),
    ended,
  };
}

/** The arguments of a hub that allows everything to every client on this machine. */
export const SERVE_OPEN: readonly string[] = ['serve', '--set', 'access=loopback'];

/** Starts a hub in a process of its own, on a free port of the loopback. */
export async function startHubProcess(
  args: readonly string[] = [
    ...SERVE_OPEN,
    '--listen',
    '127.0.0.1:0',
    '--data',
    ':memory:',
    '--set',
    'drain.timeMs=100',
  ],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly cli: RunningCli; readonly url: string }> {
  const cli = startCli(args, env);
  const [, url = ''] = await cli.outMatches(/listening on (\S+)\n/);
  return { cli, url };
}

/** Starts a hub in this process, on a free port of the loopback, with its log in memory. */
export async function startTestHub(): Promise<Hub> {
  const hub = await startHub(
    parseConfig({ listen: '127.0.0.1:0', data: ':memory:', access: 'loopback', logging: { level: 'silent' } }),
  );
  onTestFinished(() => hub.close());
  return hub;
}

/**
 * A port without a listener that `fetch` may use. A port that was free a moment ago may now belong
 * to another test.
 */
export const CLOSED_PORT = 8;

/** Makes a folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-cli-'));
  // A process that was just killed may still make a file there.
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** The environment without variables that change the behaviour or output of the command. */
function plainEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:POLYCAST_|NODE_(?!COMPILE_CACHE)|FORCE_COLOR|VITEST)/.test(name),
  );
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

interface Watched {
  readonly text: () => string;
  readonly onMore: (listener: () => void) => void;
}

function watch(stream: NodeJS.ReadableStream): Watched {
  let text = '';
  const listeners: (() => void)[] = [];
  stream.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
    for (const listener of listeners) listener();
  });
  return { text: () => text, onMore: (listener) => void listeners.push(listener) };
}

function matcher(watched: Watched, ended: Promise<CliResult>): (pattern: RegExp) => Promise<RegExpExecArray> {
  return (pattern) =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(watched.text());
        if (match !== null) resolve(match);
      };
      look();
      watched.onMore(look);
      const miss = (result: CliResult): void => {
        look();
        reject(new Error(`ended without ${String(pattern)}: ${JSON.stringify(result)}`));
      };
      void ended.then(miss);
    });
}
