import type { ChildProcess } from 'node:child_process';
import type { Logger } from '../../../../core/ports.ts';
import { spawnSelf } from '../../../../platform/package-files.ts';
import { CLOSE_TIME_MAX_MS, FOLLOWER_CLOSE_TIME_MAX_MS } from '../end-in-time.ts';
import {
  PLACE_VARIABLE,
  type DrainMessage,
  type ReadyMessage,
  type SupervisorMessage,
  type WorkerPlace,
} from './run-worker.ts';

/** A process that ends within this time after it was ready counts as one that cannot start. */
const STABLE_AFTER_MS = 1000;
/** Pauses before a process is replaced: doubled with each one that cannot start. */
const RESTART_DELAY_MIN_MS = 50;
const RESTART_DELAY_MAX_MS = 5000;
/** An owner that cannot start so many times in a row ends the hub. */
const OWNER_FAILURES_MAX = 5;
/** The interval at which processes are looked at that should end themselves. */
const KILL_INTERVAL_MS = 2_000;
/** The start of the hub does not wait for a follower that cannot start so many times in a row. */
const FOLLOWER_FAILURES_AWAITED = 3;

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
  /** Called with each later report of an owner. */
  readonly onOpenedAgain: (ready: ReadyMessage) => void;
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
  /** What the start of the hub waits for, by the index of the process. */
  readonly #awaited = new Map<number, (ready: ReadyMessage | undefined) => void>();
  #listen: string;
  #ownerWasReady = false;
  #isStopping = false;
  /** Whether a process has ended with an error since the hub stops. */
  #hasFailed = false;
  #drainMs = 0;
  #onExit: () => void = () => undefined;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#listen = parts.listen;
  }

  /** Resolves with an exit code when the owner cannot start. */
  get failed(): Promise<number> {
    return this.#failed.promise;
  }

  /** The ids of the owner, and of the followers that listen; the owner's first. */
  get pids(): readonly number[] {
    return [...this.#workers.values()]
      .filter(({ place, readyMs }) => place.role === 'owner' || readyMs !== undefined)
      .toSorted((one, other) => one.place.index - other.place.index)
      .map(({ child }) => child.pid ?? 0);
  }

  /** Starts the owner. Its report has the first key, if there is one. */
  async startOwner(): Promise<ReadyMessage> {
    const ready = await this.#startFirst(0);
    this.#listen = this.#parts.listenAt(ready.port);
    return ready;
  }

  /**
   * Starts the followers. Resolves when all listen. One that ends before is replaced; one that
   * cannot start is tried further, and the hub starts without it.
   */
  async startFollowers(): Promise<void> {
    await Promise.all(Array.from({ length: this.#parts.count - 1 }, (_, index) => this.#startFirst(index + 1)));
  }

  /** The owner reloads, and the others after it. */
  reload(): void {
    this.#send(0, 'reload');
  }

  /**
   * All processes drain at once. The owner closes when the others have ended. A follower that is
   * not ready has no clients; it would wait for an owner that may never come. Each process ends
   * itself in time. One that stands still is killed.
   * @param drainMs `drain.timeMs` at the start of the hub. The processes know the newest.
   * @returns whether all have ended in time, and none with an error
   */
  async stop(drainMs: number): Promise<boolean> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { place, child, readyMs } of this.#workers.values())
      if (place.role === 'follower' && readyMs === undefined) child.kill('SIGKILL');
      else this.#send(place.index, 'drain');
    this.#drainMs = drainMs;
    const startMs = performance.now();
    const isFollower = ({ place }: Worker): boolean => place.role === 'follower';
    const followersEnded = await this.#untilEnded(isFollower, startMs, FOLLOWER_CLOSE_TIME_MAX_MS);
    this.#send(0, 'close');
    const allEnded = await this.#untilEnded(() => true, startMs, CLOSE_TIME_MAX_MS);
    return followersEnded && allEnded && !this.#hasFailed;
  }

  /** A signal came during the start: an owner that cannot start in this time is killed. */
  async endStart(timeMaxMs: number): Promise<void> {
    await new Promise((resolve) => void setTimeout(resolve, timeMaxMs).unref());
    const owner = this.#workers.get(0);
    if (owner !== undefined && !this.#ownerWasReady) this.#kill(owner);
  }

  /**
   * Resolves with the report of the first process of this index that is ready. For a follower that
   * cannot start, with `undefined`.
   */
  #startFirst(index: 0): Promise<ReadyMessage>;
  #startFirst(index: number): Promise<ReadyMessage | undefined>;
  #startFirst(index: number): Promise<ReadyMessage | undefined> {
    const { promise, resolve } = Promise.withResolvers<ReadyMessage | undefined>();
    this.#awaited.set(index, resolve);
    this.#start(index);
    return promise;
  }

  #start(index: number): void {
    const { folder, logger } = this.#parts;
    const place: WorkerPlace = { index, role: index === 0 ? 'owner' : 'follower', folder, listen: this.#listen };
    let child: ChildProcess;
    try {
      child = spawnSelf({ [PLACE_VARIABLE]: JSON.stringify(place) });
    } catch (error) {
      logger.error({ process: index, error: String(error) }, 'process: start failed, trying again');
      return this.#replace(place, undefined, undefined);
    }
    const worker: Worker = { place, child, readyMs: undefined };
    this.#workers.set(index, worker);
    child.on('message', (message: ReadyMessage | DrainMessage) => {
      if ('drainMs' in message) return void (this.#drainMs = Math.max(this.#drainMs, message.drainMs));
      worker.readyMs ??= performance.now();
      if (index === 0 && this.#ownerWasReady) return this.#parts.onOpenedAgain(message);
      if (index === 0) this.#ownerWasReady = true;
      this.#awaited.get(index)?.(message);
    });
    child.on('error', (error) => {
      logger.error({ process: index, error: String(error) }, 'process: start failed, trying again');
      // Without a process there is no exit.
      if (child.pid === undefined && this.#remove(worker)) this.#replace(place, undefined, undefined);
    });
    child.on('exit', (code, signal) => this.#onWorkerExit(worker, code, signal));
  }

  #onWorkerExit(worker: Worker, code: number | null, signal: NodeJS.Signals | null): void {
    if (!this.#remove(worker)) return;
    const { place, readyMs, child } = worker;
    const ended = { process: place.index, pid: child.pid, role: place.role, code, signal };
    const how = readyMs === undefined ? 'ended before it was ready' : 'ended unexpectedly';
    const isStart = place.index === 0 && !this.#ownerWasReady;
    // The owner itself has said why it cannot start.
    if (!this.#isStopping && !isStart) this.#parts.logger.error(ended, `process: ${how}, replacing it`);
    if (this.#isStopping && code !== null && code !== 0) {
      this.#hasFailed = true;
      this.#parts.logger.error(ended, 'process: ended with an error while the hub stops');
    }
    this.#replace(place, readyMs, code ?? 1);
  }

  /** Whether the hub had this process until now. */
  #remove({ place }: Worker): boolean {
    const isKnown = this.#workers.delete(place.index);
    if (isKnown) this.#onExit();
    return isKnown;
  }

  /**
   * Replaces a process that has ended.
   * @param readyMs when it was ready, by `performance.now()`
   * @param code its exit code; `undefined` if the system could not start it
   */
  #replace({ index }: WorkerPlace, readyMs: number | undefined, code: number | undefined): void {
    if (this.#isStopping) return;
    const isStable = readyMs !== undefined && performance.now() - readyMs > STABLE_AFTER_MS;
    const failures = isStable ? 0 : (this.#failures.get(index) ?? 0) + 1;
    this.#failures.set(index, failures);
    if (index === 0 && readyMs === undefined && (!this.#ownerWasReady || failures >= OWNER_FAILURES_MAX))
      return this.#failed.resolve(code ?? 1);
    if (index > 0 && failures >= FOLLOWER_FAILURES_AWAITED) this.#awaited.get(index)?.(undefined);
    const delayMs =
      failures <= 1 ? 0 : Math.min(RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS * 2 ** Math.min(failures, 10));
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#start(index);
    }, delayMs);
    this.#timers.add(timer);
  }

  #send(index: number, message: SupervisorMessage): void {
    const child = this.#workers.get(index)?.child;
    if (child?.connected === true) child.send(message, () => undefined);
  }

  /**
   * Waits until these processes have ended, and kills those that have not after the time.
   * @returns whether they have ended in time, and were not killed
   */
  async #untilEnded(isAwaited: (worker: Worker) => boolean, startMs: number, closeTimeMs: number): Promise<boolean> {
    const awaited = (): readonly Worker[] => [...this.#workers.values()].filter(isAwaited);
    const lateMs = (): number => performance.now() - startMs - this.#drainMs - closeTimeMs;
    const timer = setInterval(() => {
      // It has killed itself before, unless it stands still.
      if (lateMs() > KILL_INTERVAL_MS) for (const worker of awaited()) this.#kill(worker);
    }, KILL_INTERVAL_MS);
    while (awaited().length > 0) await new Promise<void>((resolve) => (this.#onExit = resolve));
    clearInterval(timer);
    if (lateMs() < 0) return true;
    this.#parts.logger.error({}, 'process: not all have ended in time');
    return false;
  }

  #kill({ place, child }: Worker): void {
    const killed = { process: place.index, pid: child.pid, role: place.role };
    this.#parts.logger.error(killed, 'process: not ended in time, killing it');
    child.kill('SIGKILL');
  }
}
