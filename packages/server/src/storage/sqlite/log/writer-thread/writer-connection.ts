import type { DatabaseSync } from 'node:sqlite';
import { prepareWriter } from './writer-statements.ts';
import type { WriterStatements } from './writer-statements.ts';

const PAGE_BYTES = 4_096;
/**
 * Pages that every commit writes: those at the end of the log, and those above them in the tree.
 */
const PAGES_PER_COMMIT = 3;
/** Allowance for pages that are not full. */
const PAGE_FILL_FACTOR = 1.25;

/** The writer's connection. It has at most one transaction, which begins with the first write. */
export class WriterConnection {
  readonly statements: WriterStatements;
  readonly #database: DatabaseSync;
  #inTransaction = false;
  #pages = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.statements = prepareWriter(database);
  }

  get database(): DatabaseSync {
    return this.#database;
  }

  /**
   * Estimated pages written since the last SQLite checkpoint. SQLite reports the number only when
   * it runs one.
   */
  get pagesWritten(): number {
    return this.#pages;
  }

  countPages(pages: number): void {
    this.#pages += pages;
  }

  countBytes(bytes: number): void {
    this.#pages += (bytes * PAGE_FILL_FACTOR) / PAGE_BYTES;
  }

  begin(): void {
    if (this.#inTransaction) return;
    this.statements.begin.run();
    this.#inTransaction = true;
  }

  /** Makes the writes durable, if there are any. */
  commit(): void {
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

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
