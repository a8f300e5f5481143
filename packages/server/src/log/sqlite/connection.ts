import type { DatabaseSync } from 'node:sqlite';
import { prepareWriter } from './statements.ts';
import type { WriterStatements } from './statements.ts';

const PAGE_BYTES = 4_096;
/** The pages at the end of the log, and above them. */
const PAGES_PER_COMMIT = 3;
/** What does not fill its page to the end. */
const FILL = 1.25;

/** The writer's connection: at most one transaction, begun when something is first written. */
export class Connection {
  readonly do: WriterStatements;
  readonly #database: DatabaseSync;
  #inTransaction = false;
  #pages = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.do = prepareWriter(database);
  }

  get database(): DatabaseSync {
    return this.#database;
  }

  /** About how many pages were written since the last checkpoint: SQLite does not tell without doing one. */
  get pagesWritten(): number {
    return this.#pages;
  }

  notePages(pages: number): void {
    this.#pages += pages;
  }

  noteBytes(bytes: number): void {
    this.#pages += (bytes * FILL) / PAGE_BYTES;
  }

  begin(): void {
    if (this.#inTransaction) return;
    this.do.begin.run();
    this.#inTransaction = true;
  }

  /** Makes durable what was written, if anything was. */
  commit(): void {
    if (!this.#inTransaction) return;
    this.do.commit.run();
    this.#inTransaction = false;
    this.#pages += PAGES_PER_COMMIT;
  }

  rollBack(): void {
    this.#inTransaction = false;
    try {
      if (this.#database.isTransaction) this.do.rollback.run();
    } catch {
      // The connection is replaced before it is used again, and takes its transaction with it.
    }
  }

  /** Moves the write-ahead log into the database, as far as no reader needs it: the next one gets further. */
  checkpoint(): void {
    this.#pages = 0;
    this.do.checkpoint.get();
  }

  /** The same, waiting for readers, so that the write-ahead log is begun again from its start. */
  restartWal(): void {
    this.do.restartWal.get();
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
