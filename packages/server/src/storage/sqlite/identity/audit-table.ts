import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AuditEntry, NewAuditEntry } from '../../../core/access/identity-store.ts';

/** The table of the audit log in the identity store. */
export class AuditTable {
  readonly #insert: StatementSync;
  readonly #deleteOldest: StatementSync;
  readonly #page: StatementSync;
  readonly #entriesMax: number;

  /** @param entriesMax the bound on entries. Above it the oldest are deleted. */
  constructor(database: DatabaseSync, entriesMax: number) {
    this.#insert = database.prepare('INSERT INTO audit (time_ms, action, subject, by, detail) VALUES (?, ?, ?, ?, ?)');
    this.#deleteOldest = database.prepare('DELETE FROM audit WHERE id <= ?');
    this.#page = database.prepare(
      'SELECT id, time_ms AS timeMs, action, subject, by, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?',
    );
    this.#entriesMax = entriesMax;
  }

  insert({ timeMs, action, subject, by, detail }: NewAuditEntry): void {
    const inserted = this.#insert.run(timeMs, action, subject, JSON.stringify(by), JSON.stringify(detail));
    this.#deleteOldest.run(Number(inserted.lastInsertRowid) - this.#entriesMax);
  }

  page(before: number, limit: number): readonly AuditEntry[] {
    const rows = this.#page.all(before, limit) as unknown as (AuditEntry & { by: string; detail: string })[];
    return rows.map(({ by, detail, ...entry }) => ({
      ...entry,
      by: JSON.parse(by) as AuditEntry['by'],
      detail: JSON.parse(detail) as AuditEntry['detail'],
    }));
  }
}
