import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';

const children = new Set<ChildProcess>();
// However this process ends, unless it is killed.
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

const END_TIMEOUT_MS = 20_000;

/** A program that can be killed and started again, with the same arguments. Its output goes to a file. */
export class Program {
  readonly name: string;
  readonly #command: readonly string[];
  readonly #logFile: string;
  readonly #isReady: () => Promise<boolean>;
  #child: ChildProcess | undefined;

  constructor(name: string, command: readonly string[], logFile: string, isReady: () => Promise<boolean>) {
    this.name = name;
    this.#command = command;
    this.#logFile = logFile;
    this.#isReady = isReady;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  /** Resolves when the program is ready. @throws Error when it ends before */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const [file = '', ...args] = this.#command;
    // A group of its own: Ctrl-C reaches this process alone, which then ends the others in their order.
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    children.add(child);
    child.once('exit', () => children.delete(child));
    const log = (data: Buffer): void => appendFileSync(this.#logFile, data);
    child.stdout.on('data', log);
    child.stderr.on('data', log);
    const failed = once(child, 'exit').then(() => {
      throw new Error(`${this.name} ended before it was ready: see ${this.#logFile}`);
    });
    failed.catch(() => undefined);
    while (!(await Promise.race([this.#isReady().catch(() => false), failed]))) await pause(POLL_MS);
  }

  /** Resolves when it has ended. A program that does not end is killed. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const ended = once(child, 'exit');
    const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
    child.kill(signal);
    await ended;
    clearTimeout(timer);
  }
}

const POLL_MS = 50;

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
