import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Erasure } from '../../../core/erasure.ts';

/** The table of erasures that were requested and are not finished. */
export class ErasureTable {
  readonly #all: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#all = database.prepare('SELECT request FROM erasure ORDER BY requested_ms, id');
    this.#put = database.prepare('INSERT OR REPLACE INTO erasure VALUES (?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM erasure WHERE id = ?');
  }

  /** The oldest first. */
  load(): Erasure[] {
    return (this.#all.all() as unknown as { request: string }[]).map(({ request }) => JSON.parse(request) as Erasure);
  }

  put(erasure: Erasure): void {
    this.#put.run(erasure.id, erasure.requestedMs, JSON.stringify(erasure));
  }

  delete(id: string): void {
    this.#delete.run(id);
  }
}
