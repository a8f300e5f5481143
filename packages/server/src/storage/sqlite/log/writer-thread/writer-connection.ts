import type { DatabaseSync } from 'node:sqlite';
import { EventInserts } from './event-inserts.ts';
import { prepareWriter } from './writer-statements.ts';
import type { WriterStatements } from './writer-statements.ts';

const PAGE_BYTES = 4_096;
/**
 * Pages that every commit writes: those at the end of the log, and those above them in the tree.
 */
const PAGES_PER_COMMIT = 3;
/** Allowance for pages that are not full. */
const PAGE_FILL_FACTOR = 1.25;

/**
 * Estimated pages that the write-ahead log grows by before it is moved into the database: 16 MB.
 */
const CHECKPOINT_PAGES = 4_096;

/**
 * Bytes of the write-ahead log beyond which the writer waits for readers. Constant reading prevents
 * SQLite from restarting the file at its beginning.
 */
export const WAL_BYTES_MAX: number = 128 * 1024 * 1024;

/** The writer's connection. It has at most one transaction, which begins with the first write. */
export class WriterConnection {
  readonly statements: WriterStatements;
  readonly inserts: EventInserts;
  readonly #database: DatabaseSync;
  #inTransaction = false;
  /**
   * Estimated pages written since the last SQLite checkpoint. SQLite reports the number only when
   * it runs one.
   */
  #pages = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.statements = prepareWriter(database);
    this.inserts = new EventInserts(this.statements);
  }

  get database(): DatabaseSync {
    return this.#database;
  }

  /** Whether enough was written since the last `checkpoint`. */
  get isCheckpointDue(): boolean {
    return this.#pages >= CHECKPOINT_PAGES;
  }

  countPages(pages: number): void {
    this.#pages += pages;
  }

  countBytes(bytes: number): void {
    this.#pages += (bytes * PAGE_FILL_FACTOR) / PAGE_BYTES;
  }

  /**
   * Begins a transaction, unless there is one.
   * @param isOnlyWrite one statement follows; SQLite makes it a transaction by itself, at less cost
   */
  begin(isOnlyWrite = false): void {
    if (this.#inTransaction) return;
    if (isOnlyWrite) {
      this.#pages += PAGES_PER_COMMIT;
      return;
    }
    this.statements.begin.run();
    this.#inTransaction = true;
  }

  /** Makes the writes durable, if there are any. */
  commit(): void {
    this.inserts.finish();
    if (!this.#inTransaction) return;
    this.statements.commit.run();
    this.#inTransaction = false;
    this.#pages += PAGES_PER_COMMIT;
  }

  rollBack(): void {
    this.#inTransaction = false;
    try {
      if (this.#database.isTransaction) this.statements.rollback.run();
    } catch {
      // The connection is replaced before its next use. Its transaction ends with it.
    }
  }

  /**
   * Moves the write-ahead log into the database, except for the pages that readers need. The next
   * call moves more of it.
   */
  checkpoint(): void {
    this.#pages = 0;
    this.statements.checkpoint.get();
  }

  /**
   * Does the same, but waits for readers, so that the write-ahead log restarts at its beginning.
   */
  checkpointAndRestartWal(): void {
    this.statements.restartWal.get();
  }

  /**
   * From now on, SQLite overwrites with zeros what it deletes, at the cost of more writes.
   * Otherwise it does so only in pages that it writes anyway.
   */
  overwriteDeleted(isOn: boolean): void {
    this.#database.exec(`PRAGMA secure_delete = ${isOn ? 'ON' : 'FAST'}`);
  }

  /** Removes all pages from memory. The next use reads them from the file. */
  dropPages(): void {
    this.#database.exec('PRAGMA shrink_memory');
  }

  /**
   * Moves all of the write-ahead log, and cuts its file to nothing.
   * Returns false while a reader uses it.
   */
  emptyWal(): boolean {
    this.#pages = 0;
    // Publishers wait meanwhile. The next step tries again.
    this.#database.exec('PRAGMA busy_timeout = 20');
    try {
      const { busy } = this.statements.emptyWal.get() as { busy: number };
      return busy === 0;
    } finally {
      if (this.#database.isOpen) this.#database.exec('PRAGMA busy_timeout = 5000');
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
