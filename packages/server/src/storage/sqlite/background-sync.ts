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
export class BackgroundSync {
  readonly #file: string;
  #descriptor: number | undefined;
  #currentSync: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #checkpointer: Worker | undefined;

  /** @param file a path, or `:memory:` */
  constructor(file: string) {
    this.#file = file;
  }

  /** A thread works on the file: for a moment it may hold the lock that a write needs. */
  get isCheckpointing(): boolean {
    return this.#checkpointer !== undefined;
  }

  /** Resolves when no thread works on the file: in that turn of the loop a write finds no lock. */
  async whenIdle(): Promise<void> {
    while (this.#checkpointer !== undefined) await once(this.#checkpointer, 'exit').catch(() => undefined);
  }

  /** All that was committed before is durable once it resolves. Rejects when the disk does not take it. */
  sync(): Promise<void> {
    if (this.#file === ':memory:') return Promise.resolve();
    if (this.#currentSync === undefined) return this.#start();
    // What is under way may not hold what has just been committed.
    this.#nextSync ??= this.#currentSync
      .catch(() => undefined)
      .then(() => {
        this.#nextSync = undefined;
        return this.#start();
      });
    return this.#nextSync;
  }

  /** To be called now and then: begins to move the write-ahead log when it has grown. */
  checkpointIfNeeded(): void {
    if (this.#file === ':memory:' || this.#checkpointer !== undefined) return;
    const { size } = statSync(`${this.#file}-wal`, { throwIfNoEntry: false }) ?? { size: 0 };
    if (size <= WAL_BYTES_MAX) return;
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
    this.#checkpointer = new Worker(new URL(`./wal-worker${extension}`, import.meta.url), {
      workerData: this.#file,
      execArgv: [],
    });
    this.#checkpointer.unref();
    // What could not be moved is tried again with the next upkeep.
    this.#checkpointer.on('error', () => undefined);
    this.#checkpointer.on('exit', () => (this.#checkpointer = undefined));
  }

  /** Before the last connection is closed, which moves everything itself. */
  async close(): Promise<void> {
    await this.#checkpointer?.terminate();
    await this.#nextSync?.catch(() => undefined);
    await this.#currentSync?.catch(() => undefined);
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #start(): Promise<void> {
    const running = this.#syncOnce().finally(() => {
      if (this.#currentSync === running) this.#currentSync = undefined;
    });
    this.#currentSync = running;
    return running;
  }

  async #syncOnce(): Promise<void> {
    const isFirst = this.#descriptor === undefined;
    const wal = `${this.#file}-wal`;
    // Nothing has been written since it was opened.
    if (isFirst && !existsSync(wal)) return;
    this.#descriptor ??= openSync(wal, 'r+');
    await fsyncDescriptor(this.#descriptor);
    if (!isFirst || process.platform === 'win32') return;
    // The file's name as well.
    const folder = openSync(dirname(this.#file), 'r');
    try {
      await fsyncDescriptor(folder);
    } finally {
      closeSync(folder);
    }
  }
}

function fsyncDescriptor(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(descriptor, (error) => (error === null ? resolve() : reject(error)));
  });
}
