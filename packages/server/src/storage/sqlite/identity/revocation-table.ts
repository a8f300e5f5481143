import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StoredRevocation } from '../../../core/access/identity-store.ts';
import { invalidRowError } from './identity-file.ts';

/** The table of revocations in the identity store. */
export class RevocationTable {
  readonly #all: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #prune: StatementSync;

  constructor(database: DatabaseSync) {
    this.#all = database.prepare(
      `SELECT kind, name, issued_before_ms AS issuedBeforeMs, kept_until_ms AS keptUntilMs
         FROM revocation ORDER BY kept_until_ms`,
    );
    this.#put = database.prepare('INSERT OR REPLACE INTO revocation VALUES (?, ?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM revocation WHERE kind = ? AND name = ?');
    this.#prune = database.prepare('DELETE FROM revocation WHERE kept_until_ms < ?');
  }

  /** @throws DataFolderError when a row is one that no version of the hub writes */
  load(): StoredRevocation[] {
    const rows = this.#all.all() as unknown as StoredRevocation[];
    for (const { issuedBeforeMs, keptUntilMs } of rows)
      if (!Number.isSafeInteger(issuedBeforeMs) || !Number.isSafeInteger(keptUntilMs))
        throw invalidRowError('an invalid revocation');
    return rows;
  }

  put({ kind, name, issuedBeforeMs, keptUntilMs }: StoredRevocation): void {
    this.#put.run(kind, name, issuedBeforeMs, keptUntilMs);
  }

  delete(kind: StoredRevocation['kind'], name: string): void {
    this.#delete.run(kind, name);
  }

  prune(beforeMs: number): void {
    this.#prune.run(beforeMs);
  }
}
