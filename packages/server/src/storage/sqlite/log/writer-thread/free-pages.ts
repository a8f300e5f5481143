import { pragma } from '../../database-file.ts';
import type { WriterConnection } from './writer-connection.ts';

/** Pages that one step writes: 1 MB. */
const PAGES_PER_STEP = 256;

/**
 * Overwrites free pages. A free page is one that SQLite no longer uses and has not returned to the
 * file system. It still has the bytes of events that retention removed. Rows of zeros take all free
 * pages, and are then deleted.
 *
 * Example: of 10,000 pages 600 are free. Three steps write 600 pages of zeros. Three more delete
 * these rows.
 */
export class FreePages {
  #isFilled = false;
  #isReleased = false;

  /** Events were deleted since: all free pages are overwritten again. */
  reset(): void {
    this.#isFilled = this.#isReleased = false;
  }

  /** One step, within a transaction of its own. Returns whether there is more. */
  step(connection: WriterConnection): boolean {
    if (this.#isReleased) return false;
    const { database, statements } = connection;
    connection.begin();
    if (!this.#isFilled) {
      const free = pragma(database, 'freelist_count');
      const count = Math.min(PAGES_PER_STEP, free);
      if (count > 0) statements.fillFreePages.run(count * pragma(database, 'page_size'));
      connection.countPages(count);
      this.#isFilled = free <= PAGES_PER_STEP;
      return true;
    }
    connection.countPages(1);
    this.#isReleased = statements.releaseFreePages.run().changes === 0;
    return !this.#isReleased;
  }
}
