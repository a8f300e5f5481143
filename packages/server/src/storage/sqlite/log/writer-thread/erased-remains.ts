import { FreePages } from './free-pages.ts';
import { UnusedBytes } from './unused-bytes.ts';
import type { WriterConnection } from './writer-connection.ts';

/**
 * What a database still has of erased events: free pages, and copies of moved rows in the unused
 * bytes of pages in use. Until both are overwritten, SQLite overwrites everything that it deletes.
 */
export class ErasedRemains {
  readonly #freePages = new FreePages();
  readonly #unusedBytes: UnusedBytes;
  #isPending = false;

  /** @param file the database */
  constructor(file: string) {
    this.#unusedBytes = new UnusedBytes(file);
  }

  /** Whether something was erased, and not all is overwritten. */
  get isPending(): boolean {
    return this.#isPending;
  }

  /** Before something is erased. */
  begin(connection: WriterConnection): void {
    this.#freePages.reset();
    this.#unusedBytes.reset();
    this.#isPending = true;
    this.prepare(connection);
  }

  /** Sets up a connection that is new. */
  prepare(connection: WriterConnection): void {
    if (this.#isPending) connection.overwriteDeleted(true);
  }

  /** One step within a transaction of its own. Returns whether there is more. */
  overwritePages(connection: WriterConnection): boolean {
    return this.#freePages.step(connection);
  }

  /** One step directly after the write-ahead log was emptied. Returns whether there is more. */
  overwriteUnused(connection: WriterConnection): boolean {
    const hasMore = this.#unusedBytes.step(connection);
    if (!hasMore) {
      this.#isPending = false;
      connection.overwriteDeleted(false);
    }
    return hasMore;
  }

  /** After the connections to the file. */
  close(): void {
    this.#unusedBytes.close();
  }
}
