import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

const children = new Set<ChildProcess>();
// At exit all children are killed. After SIGKILL of this process they stay.
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** A program that is not ready by then is killed. */
const START_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 20_000;

/**
 * A program that can be killed and started again, with the same arguments.
 * Its output goes to a file.
 */
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

  /** Resolves when the program is ready. @throws Error when it ends before, or takes too long */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const [file = '', ...args] = this.#command;
    // A group of its own: Ctrl-C reaches this process alone,
    // which then ends the others in their order.
    // The child writes the file itself. Output from a pipe may arrive after the child has ended
    // and its folder was removed.
    const log = openSync(this.#logFile, 'a');
    const child = spawn(file, args, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#child = child;
    children.add(child);
    child.once('exit', () => children.delete(child));
    const { promise: failed, reject } = Promise.withResolvers<never>();
    failed.catch(() => undefined);
    const fail = (what: string): void => reject(new Error(`${this.name} ${what}: see ${this.#logFile}`));
    child.once('exit', () => fail('ended before it was ready'));
    const timer = setTimeout(() => {
      fail(`was not ready within ${START_TIMEOUT_MS} ms`);
      child.kill('SIGKILL');
    }, START_TIMEOUT_MS);
    try {
      while (!(await Promise.race([this.#isReady().catch(() => false), failed]))) await pause(POLL_MS);
    } finally {
      clearTimeout(timer);
    }
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

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
