import type { ChildProcess } from 'node:child_process';
import type { Logger } from '../../../../core/ports.ts';
import { spawnSelf } from '../../../../platform/package-files.ts';
import { PLACE_VARIABLE, type ReadyMessage, type SupervisorMessage, type WorkerPlace } from './run-worker.ts';

/** A process that ends within this time after it was ready counts as one that cannot start. */
const STABLE_AFTER_MS = 1000;
/** Pauses before a process is replaced: doubled with each one that cannot start. */
const RESTART_DELAY_MIN_MS = 50;
const RESTART_DELAY_MAX_MS = 5000;
/** An owner that cannot start so many times in a row ends the hub. */
const OWNER_FAILURES_MAX = 5;

interface Worker {
  readonly place: WorkerPlace;
  readonly child: ChildProcess;
  /** When it was ready, by `performance.now()`. */
  readyMs: number | undefined;
}

export interface SupervisorParts {
  readonly count: number;
  readonly listen: string;
  /** A private folder for the sockets between the processes. */
  readonly folder: string;
  readonly logger: Logger;
  /** The processes listen at the port that the first one has. */
  readonly listenAt: (port: number) => string;
}

/**
 * Starts the processes of a hub and replaces those that end. It serves no client and opens no data,
 * so there is little in it that can fail. The process 0 owns the data; when it ends, its
 * replacement is the next owner.
 */
export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #workers = new Map<number, Worker>();
  readonly #failures = new Map<number, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #failed = Promise.withResolvers<number>();
  #listen: string;
  #hasStarted = false;
  #isStopping = false;
  #onExit: () => void = () => undefined;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#listen = parts.listen;
  }

  /** Resolves with an exit code when the owner cannot start. */
  get failed(): Promise<number> {
    return this.#failed.promise;
  }

  /** The process ids, the owner's first. */
  get pids(): readonly number[] {
    return [...this.#workers.values()]
      .toSorted((one, other) => one.place.index - other.place.index)
      .map(({ child }) => child.pid ?? 0);
  }

  /** Starts the owner, then the followers. Resolves when all listen. */
  async start(): Promise<ReadyMessage> {
    const ready = await this.#start(0);
    this.#hasStarted = true;
    this.#listen = this.#parts.listenAt(ready.port);
    const followers = Array.from({ length: this.#parts.count - 1 }, (_, index) => this.#start(index + 1));
    await Promise.all(followers);
    return ready;
  }

  /** The owner reloads, and the others after it. */
  reload(): void {
    this.#send(0, 'reload');
  }

  /** All processes drain at once. The owner closes when the others have ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const index of this.#workers.keys()) this.#send(index, 'drain');
    await this.#until(() => [...this.#workers.keys()].every((index) => index === 0));
    this.#send(0, 'close');
    await this.#until(() => this.#workers.size === 0);
  }

  #start(index: number): Promise<ReadyMessage> {
    const { folder } = this.#parts;
    const place: WorkerPlace = { index, role: index === 0 ? 'owner' : 'follower', folder, listen: this.#listen };
    const child = spawnSelf({ [PLACE_VARIABLE]: JSON.stringify(place) });
    const worker: Worker = { place, child, readyMs: undefined };
    this.#workers.set(index, worker);
    const { promise, resolve } = Promise.withResolvers<ReadyMessage>();
    child.once('message', (message) => {
      worker.readyMs = performance.now();
      resolve(message as ReadyMessage);
    });
    child.on('error', (error) => this.#parts.logger.error({ error: String(error) }, 'process: start failed'));
    child.on('exit', (code, signal) => this.#onWorkerExit(worker, code, signal));
    return promise;
  }

  #onWorkerExit(worker: Worker, code: number | null, signal: NodeJS.Signals | null): void {
    const { index, role } = worker.place;
    this.#workers.delete(index);
    this.#onExit();
    if (this.#isStopping) return;
    const { readyMs } = worker;
    const isStable = readyMs !== undefined && performance.now() - readyMs > STABLE_AFTER_MS;
    const failures = isStable ? 0 : (this.#failures.get(index) ?? 0) + 1;
    this.#failures.set(index, failures);
    if (index === 0 && readyMs === undefined && (!this.#hasStarted || failures >= OWNER_FAILURES_MAX))
      return this.#failed.resolve(code ?? 1);
    const { pid } = worker.child;
    this.#parts.logger.error({ process: index, pid, role, code, signal }, 'process: ended unexpectedly, replacing it');
    const delayMs =
      failures <= 1 ? 0 : Math.min(RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS * 2 ** Math.min(failures, 10));
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#start(index);
    }, delayMs);
    this.#timers.add(timer);
  }

  #send(index: number, message: SupervisorMessage): void {
    const child = this.#workers.get(index)?.child;
    if (child?.connected === true) child.send(message, () => undefined);
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await new Promise<void>((resolve) => (this.#onExit = resolve));
  }
}
