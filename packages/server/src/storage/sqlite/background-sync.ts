import { once } from 'node:events';
import { closeSync, existsSync, fsync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../../platform/package-files.ts';

/** Bytes of a write-ahead log beyond which a thread moves it into its database. */
const WAL_BYTES_MAX = 4 * 1024 * 1024;

/** What the thread does: it moves the write-ahead log, or writes the whole database anew. */
export interface WalTask {
  readonly file: string;
  readonly task: 'checkpoint' | 'rewrite';
}

/**
 * Makes a SQLite file durable that the event loop writes, without blocking the event loop. The
 * connection commits with `synchronous = NORMAL` and `wal_autocheckpoint = 0`, which syncs nothing.
 * This class syncs the write-ahead log in libuv's threads. A thread of its own moves the
 * write-ahead log into the database.
 */
export class BackgroundSync {
  readonly #file: string;
  #descriptor: number | undefined;
  #currentSync: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #checkpointer: Worker | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** A thread works on the file. For a moment it may hold the lock that a write needs. */
  get isCheckpointing(): boolean {
    return this.#checkpointer !== undefined;
  }

  /**
   * Resolves when no thread works on the file. In that turn of the event loop a write finds no
   * lock.
   */
  async whenIdle(): Promise<void> {
    while (this.#checkpointer !== undefined) await once(this.#checkpointer, 'exit').catch(() => undefined);
  }

  /** Resolves once all earlier commits are durable. Rejects when the disk does not accept them. */
  sync(): Promise<void> {
    if (this.#currentSync === undefined) return this.#start();
    // The sync in flight may not include the newest commit.
    this.#nextSync ??= this.#currentSync
      .catch(() => undefined)
      .then(() => {
        this.#nextSync = undefined;
        return this.#start();
      });
    return this.#nextSync;
  }

  /** Starts to move the write-ahead log if it has grown. To be called regularly. */
  checkpointIfNeeded(): void {
    if (this.#checkpointer !== undefined) return;
    const { size } = statSync(`${this.#file}-wal`, { throwIfNoEntry: false }) ?? { size: 0 };
    if (size <= WAL_BYTES_MAX) return;
    // After a failure the next call tries again.
    this.#startThread('checkpoint').on('error', () => undefined);
  }

  /**
   * Writes the database anew in a thread, so that no file has bytes of deleted rows. Until it
   * resolves, a write finds the file locked. It must be idle. Rejects when the disk does not
   * accept it.
   */
  async rewrite(): Promise<void> {
    const [code] = (await once(this.#startThread('rewrite'), 'exit')) as [number];
    if (code !== 0) throw new Error(`${this.#file} was not written anew, because the hub is closing`);
  }

  #startThread(task: WalTask['task']): Worker {
    const thread = startThread('wal-checkpointer', { workerData: { file: this.#file, task } satisfies WalTask });
    this.#checkpointer = thread;
    thread.unref();
    thread.on('exit', () => (this.#checkpointer = undefined));
    return thread;
  }

  /** Must run before the last connection closes, which moves everything itself. */
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
    // Without the file, nothing has been written since the database was opened.
    if (isFirst && !existsSync(wal)) return;
    this.#descriptor ??= openSync(wal, 'r+');
    await fsyncDescriptor(this.#descriptor);
    if (!isFirst || process.platform === 'win32') return;
    // The first sync also makes the file's name durable.
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
