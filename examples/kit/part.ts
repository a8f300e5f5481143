import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { atExit } from '../../conformance/kit/at-exit.ts';

/** A part is one process of a running example: the hub, or one instance of a service. */
export interface PartSettings {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The address that it listens on; undefined for a part that does not listen. */
  readonly url: string | undefined;
  /** It has also printed this when it is ready. */
  readonly readyText?: string;
  /** Called with each line that it prints. */
  readonly onLine?: ((line: string) => void) | undefined;
}

const CONNECT_INTERVAL_MS = 10;
/** Of a part that prints more, the start is forgotten. */
const LOG_CHARACTERS_MAX = 1_000_000;

export class Part {
  readonly name: string;
  readonly url: string | undefined;
  readonly #settings: PartSettings;
  #child: ChildProcess | undefined;
  #log = '';
  /** What it has printed since its last start. */
  #output = '';

  constructor(settings: PartSettings) {
    this.#settings = settings;
    this.name = settings.name;
    this.url = settings.url;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it has printed, over all of its starts. */
  log(): string {
    return this.#log;
  }

  /**
   * Starts the process, again on the same port. Resolves when it accepts connections.
   * @throws Error with its log, if it ends before
   */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const { command, folder, environment, onLine } = this.#settings;
    const [program, ...rest] = command;
    // A process group of its own: Ctrl-C in a terminal reaches the runner alone,
    // which ends the parts in order.
    const child = spawn(program === 'node' ? process.execPath : program, rest, {
      cwd: folder,
      env: { ...plainEnvironment(), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    this.#output = '';
    child.on(
      'exit',
      atExit(() => void child.kill('SIGKILL')),
    );
    child.on('error', (error) => (this.#log += `${error.message}\n`));
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => this.#print(text, onLine));
    if (this.url !== undefined) await this.#isReady(child);
  }

  /** Sends a signal, and resolves when the process has ended. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    // A stopped process receives other signals when it continues.
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    await exited;
  }

  /** Stops it in the middle of what it does, with all of its connections open. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  #print(text: string, onLine: PartSettings['onLine']): void {
    this.#log = (this.#log + text).slice(-LOG_CHARACTERS_MAX);
    this.#output = (this.#output + text).slice(-LOG_CHARACTERS_MAX);
    for (const line of text.trimEnd().split('\n')) onLine?.(line);
  }

  /** @throws Error with its log, if it ends before */
  async #isReady(child: ChildProcess): Promise<void> {
    const { readyText = '' } = this.#settings;
    const port = Number(new URL(this.url as string).port);
    while (!this.#output.includes(readyText) || !(await canConnect(port))) {
      if (child.pid === undefined || !this.isRunning)
        throw new Error(
          `${this.name} has ended (${child.exitCode ?? child.signalCode ?? 'not started'}):\n${this.#log}`,
        );
      await pause(CONNECT_INTERVAL_MS);
    }
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Without variables that would configure the hub, or Node.js, in another way than the example. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const own = /^(?:POLYCAST_|VITEST|NODE_(?!COMPILE_CACHE))/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}
