import { AsyncLocalStorage } from 'node:async_hooks';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import { Seeded } from '../../conformance/kit/seeded.ts';

/** A process of the simulation: its timers and messages end with it. */
export interface SimulatedProcess {
  isDead: boolean;
}

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly process: SimulatedProcess | undefined;
  readonly run: () => void;
  isCancelled: boolean;
}

const realSetImmediate = setImmediate;
const processes = new AsyncLocalStorage<SimulatedProcess>();

/** 2027-01-15, as in other tests. */
const START_MS = 1_800_000_000_000;

/**
 * Virtual time: all timers of this program, and its clocks, follow one queue of tasks. Two tasks of
 * the same moment run in the order of their creation. So a run depends on its seed alone. Example:
 * `setTimeout(f, 5000)` runs `f` when all tasks of the five seconds before have run.
 */
export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  /**
   * Other random numbers than those of the schedule: some libraries take them once in a program.
   */
  #random: Seeded;
  readonly #tasks: Task[] = [];

  /** There is one for each run of the program: globals are replaced for good. */
  constructor(random: Seeded) {
    this.#random = random;
    this.#install();
  }

  /** Milliseconds since the start of the schedule. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Begins a new schedule. Tasks of the one before are dropped. */
  reset(random: Seeded): void {
    this.#tasks.length = 0;
    this.#nowMs = 0;
    this.#order = 0;
    this.#random = new Seeded(random.seed + 1);
  }

  /** Runs all tasks of the next `durationMs`, or until the condition holds. */
  async advance(durationMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    const endMs = this.#nowMs + durationMs;
    await settled();
    while (!isDone()) {
      const next = this.#tasks[0];
      if (next === undefined || next.atMs > endMs) {
        this.#nowMs = endMs;
        return isDone();
      }
      this.#pop();
      if (next.isCancelled || next.process?.isDead === true) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.process === undefined) next.run();
      else processes.run(next.process, next.run);
      await settled();
    }
    return true;
  }

  /** Runs a function as a part of a process. Its timers belong to the process, too. */
  within<Value>(process: SimulatedProcess, run: () => Value): Value {
    return processes.run(process, run);
  }

  /** Calls a function later, in a process, or in the present one. */
  later(delayMs: number, run: () => void, process = processes.getStore()): Task {
    const task = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, process, run, isCancelled: false };
    this.#push(task);
    return task;
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.later(delayMs, resolve));
  }

  #install(): void {
    const timer = (task: () => Task): object => new VirtualTimer(task());
    const cancel = (timer: unknown): void => (timer instanceof VirtualTimer ? timer.cancel() : undefined);
    const globals = {
      setTimeout: (run: (...values: unknown[]) => void, delayMs = 1, ...values: unknown[]) =>
        timer(() => this.later(Math.max(1, delayMs), () => run(...values))),
      setImmediate: (run: (...values: unknown[]) => void, ...values: unknown[]) =>
        timer(() => this.later(0, () => run(...values))),
      setInterval: (run: (...values: unknown[]) => void, delayMs = 1, ...values: unknown[]) => {
        const interval = new VirtualTimer(undefined);
        const next = (): void => {
          interval.task = this.later(Math.max(1, delayMs), () => {
            next();
            run(...values);
          });
        };
        next();
        return interval;
      },
      clearTimeout: cancel,
      clearInterval: cancel,
      clearImmediate: cancel,
    };
    Object.assign(globalThis, globals);
    Object.defineProperty(performance, 'now', { value: () => this.#nowMs, configurable: true });
    Date.now = () => START_MS + Math.floor(this.#nowMs);
    Math.random = () => this.#random.fraction();
    Object.assign(timersPromises, { setTimeout: (delayMs: number) => this.wait(Math.max(1, delayMs)) });
    Object.assign(crypto, {
      randomFillSync: (bytes: Uint8Array) => {
        for (let at = 0; at < bytes.length; at++) bytes[at] = this.#random.below(256);
        return bytes;
      },
    });
    syncBuiltinESMExports();
  }

  /** A heap, by time and order. */
  #push(task: Task): void {
    const tasks = this.#tasks;
    let at = tasks.push(task) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(task, tasks[parent] as Task)) break;
      tasks[at] = tasks[parent] as Task;
      at = parent;
    }
    tasks[at] = task;
  }

  #pop(): void {
    const tasks = this.#tasks;
    const last = tasks.pop() as Task;
    if (tasks.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= tasks.length) break;
      if (child + 1 < tasks.length && isBefore(tasks[child + 1] as Task, tasks[child] as Task)) child++;
      if (!isBefore(tasks[child] as Task, last)) break;
      tasks[at] = tasks[child] as Task;
      at = child;
    }
    tasks[at] = last;
  }
}

class VirtualTimer {
  task: Task | undefined;

  constructor(task: Task | undefined) {
    this.task = task;
  }

  cancel(): void {
    if (this.task !== undefined) this.task.isCancelled = true;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

function isBefore(one: Task, other: Task): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

/** Resolves when no promise has work left. No task does input or output. */
function settled(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve));
}
