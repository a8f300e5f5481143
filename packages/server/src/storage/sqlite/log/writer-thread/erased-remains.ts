import { statfsSync } from 'node:fs';
import type { WriterConnection } from './writer-connection.ts';
import { FreePages } from './free-pages.ts';

/** A database of this size is written anew in less than a second. Publishers wait meanwhile. */
const REWRITE_BYTES_MAX = 64 * 1024 * 1024;

/** Room that the new pages need in the write-ahead log, as a share of the database. */
const ROOM_SHARE = 1.1;

/**
 * What a database still holds of erased events: free pages, and copies of moved rows in the unused
 * bytes of pages in use. Only a database that is written anew has no such copies.
 */
export class ErasedRemains {
  readonly #freePages = new FreePages();
  /** Something was erased since the database was last written anew. */
  #mayHaveCopies = false;

  /** Events were erased. */
  add(): void {
    this.#freePages.reset();
    this.#mayHaveCopies = true;
  }

  /** One step, within a transaction of its own. Returns whether there is more. */
  overwritePages(connection: WriterConnection): boolean {
    return this.#freePages.step(connection);
  }

  /** Whether the database is small enough to be written anew, and has to be. */
  needsRewrite(connection: WriterConnection): boolean {
    return this.#mayHaveCopies && connection.bytes <= REWRITE_BYTES_MAX;
  }

  rewrite(connection: WriterConnection): void {
    connection.rewrite();
    this.#mayHaveCopies = false;
  }
}

/** Whether a database in this folder can be written anew, once its write-ahead log is empty. */
export function hasRoomForRewrite(folder: string, { bytes }: WriterConnection): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= bytes * ROOM_SHARE;
}
