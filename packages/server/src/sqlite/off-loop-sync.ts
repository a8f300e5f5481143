import { once } from 'node:events';
import { closeSync, existsSync, fsync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';

/** What a write-ahead log may grow by before a thread moves it into its database. */
const WAL_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Makes a SQLite file durable that the event loop itself writes, without the event loop waiting for the disk. Its connection commits with
 * `synchronous = NORMAL` and `wal_autocheckpoint = 0`, which syncs nothing: the write-ahead log is synced here, by libuv's threads,
 * and moved into the database by a thread of its own.
 */
export class OffLoopSync {
  readonly #file: string;
  #descriptor: number | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #mover: Worker | undefined;

  /** @param file a path, or `:memory:` */
  constructor(file: string) {
    this.#file = file;
  }

  /** A thread works on the file: for a moment it may hold the lock that a write needs. */
  get isMoving(): boolean {
    return this.#mover !== undefined;
  }

  /** Resolves when no thread works on the file: in that turn of the loop a write finds no lock. */
  async free(): Promise<void> {
    while (this.#mover !== undefined) await once(this.#mover, 'exit').catch(() => undefined);
  }

  /** All that was committed before is durable once it resolves. Rejects when the disk does not take it. */
  sync(): Promise<void> {
    if (this.#file === ':memory:') return Promise.resolve();
    if (this.#running === undefined) return this.#start();
    // What is under way may not hold what has just been committed.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  /** To be called now and then: begins to move the write-ahead log when it has grown. */
  upkeep(): void {
    if (this.#file === ':memory:' || this.#mover !== undefined) return;
    const { size } = statSync(`${this.#file}-wal`, { throwIfNoEntry: false }) ?? { size: 0 };
    if (size <= WAL_BYTES_MAX) return;
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
    this.#mover = new Worker(new URL(`./wal-worker${extension}`, import.meta.url), {
      workerData: this.#file,
      execArgv: [],
    });
    this.#mover.unref();
    // What could not be moved is tried again with the next upkeep.
    this.#mover.on('error', () => undefined);
    this.#mover.on('exit', () => (this.#mover = undefined));
  }

  /** Before the last connection is closed, which moves everything itself. */
  async close(): Promise<void> {
    await this.#mover?.terminate();
    await this.#next?.catch(() => undefined);
    await this.#running?.catch(() => undefined);
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #start(): Promise<void> {
    const running = this.#syncOnce().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #syncOnce(): Promise<void> {
    const isFirst = this.#descriptor === undefined;
    const wal = `${this.#file}-wal`;
    // Nothing has been written since it was opened.
    if (isFirst && !existsSync(wal)) return;
    this.#descriptor ??= openSync(wal, 'r+');
    await synced(this.#descriptor);
    if (!isFirst || process.platform === 'win32') return;
    // The file's name as well.
    const folder = openSync(dirname(this.#file), 'r');
    try {
      await synced(folder);
    } finally {
      closeSync(folder);
    }
  }
}

function synced(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(descriptor, (error) => (error === null ? resolve() : reject(error)));
  });
}
