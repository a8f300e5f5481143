import type { DatabaseSync } from 'node:sqlite';
import { prepareWriter } from './writer-statements.ts';
import type { WriterStatements } from './writer-statements.ts';

const PAGE_BYTES = 4_096;
/** The pages at the end of the log, and above them. */
const PAGES_PER_COMMIT = 3;
/** What does not fill its page to the end. */
const PAGE_FILL_FACTOR = 1.25;

/** The writer's connection: at most one transaction, begun when something is first written. */
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

  /** About how many pages were written since the last checkpoint: SQLite does not tell without doing one. */
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

  /** Makes durable what was written, if anything was. */
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
      // The connection is replaced before it is used again, and takes its transaction with it.
    }
  }

  /** Moves the write-ahead log into the database, as far as no reader needs it: the next one gets further. */
  checkpoint(): void {
    this.#pages = 0;
    this.statements.checkpoint.get();
  }

  /** The same, waiting for readers, so that the write-ahead log is begun again from its start. */
  checkpointAndRestartWal(): void {
    this.statements.restartWal.get();
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
