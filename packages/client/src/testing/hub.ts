import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A hub in a process of its own. */
export interface TestHub {
  readonly url: string;
  readonly port: number;
  /** Its output so far. */
  readonly printed: string;
  /** `kill -9`; settles when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; settles when the hub has drained and ended. */
  terminate(): Promise<void>;
  /** Publishes one event by plain HTTP and returns its id. */
  publish(channel: string, data: unknown): Promise<string>;
  /** The value of a metric, summed over its labels. */
  metric(name: string): Promise<number>;
}

export interface TestHubOptions {
  /** A folder, or `:memory:`. */
  readonly data?: string;
  readonly port?: number;
  /** `path=value` of the configuration. */
  readonly settings?: readonly string[];
  /** `dev` has settings of its own. The default is `serve`. */
  readonly command?: 'serve' | 'dev';
}

const COMMAND = process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, '../../../server/src/cli/polycast.ts');

const SERVE_SETTINGS = ['access=loopback', 'delivery.reconnectMs=100', 'drain.timeMs=100', 'logging.level=error'];

/**
 * Starts a hub. It is killed at the end of the test, or of the file if it is started outside a
 * test.
 */
export async function startTestHub({
  data = ':memory:',
  port = 0,
  settings = [],
  command = 'serve',
}: TestHubOptions = {}): Promise<TestHub> {
  const flags = [...(command === 'dev' ? [] : SERVE_SETTINGS), ...settings].flatMap((setting) => ['--set', setting]);
  const parameters = [COMMAND, command, '--listen', `127.0.0.1:${port}`, '--data', data, ...flags];
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  const printed: string[] = [];
  const url = await listening(child, printed);
  return {
    url,
    port: Number(new URL(url).port),
    get printed() {
      return printed.join('');
    },
    kill: () => end(child, 'SIGKILL'),
    terminate: () => end(child, 'SIGTERM'),
    async publish(channel, data) {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ channel, data }),
      });
      return ((await response.json()) as { id: string }).id;
    },
    async metric(name) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    },
  };
}

/** Starts a hub as `startTestHub` does, and ends it with the test. */
export async function hubForTest(options?: TestHubOptions): Promise<TestHub> {
  const hub = await startTestHub(options);
  onTestFinished(() => hub.kill());
  return hub;
}

function listening(child: ChildProcess, printed: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      printed.push(piece);
      const [, url] = /Polycast listening on (http:\S+)/.exec(printed.join('')) ?? [];
      if (url !== undefined) resolve(url);
    });
    child
      .on('error', reject)
      .on('exit', (code) => reject(new Error(`The hub ended with ${code}: ${printed.join('')}`)));
  });
}

async function end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
