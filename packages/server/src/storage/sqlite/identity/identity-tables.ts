import type { DatabaseSync } from 'node:sqlite';
import type { AuditEntry, IdentityChange, StoredIdentity } from '../../../core/access/identity-store.ts';
import { openDatabaseFile } from '../database-file.ts';
import { AuditTable } from './audit-table.ts';
import { ErasureTable } from './erasure-table.ts';
import { PortalLinkTable } from './portal-link-table.ts';
import { identityFile } from './identity-file.ts';
import { KeyTable } from './key-table.ts';
import { RevocationTable } from './revocation-table.ts';

/** The tables of the identity store. Its caller begins and ends the transactions. */
export class IdentityTables {
  readonly #keys: KeyTable;
  readonly #revocations: RevocationTable;
  readonly #portalLinks: PortalLinkTable;
  readonly #erasures: ErasureTable;
  readonly #audit: AuditTable;

  constructor(database: DatabaseSync, auditEntriesMax: number) {
    this.#keys = new KeyTable(database);
    this.#revocations = new RevocationTable(database);
    this.#portalLinks = new PortalLinkTable(database);
    this.#erasures = new ErasureTable(database);
    this.#audit = new AuditTable(database, auditEntriesMax);
  }

  /** @throws DataFolderError when a row is one that no version of the hub writes */
  load(): Omit<StoredIdentity, 'hasLostCommits'> {
    return {
      keys: this.#keys.load(),
      hasEverHadKeys: this.#keys.hasEverHadKeys(),
      revocations: this.#revocations.load(),
      portalLinks: this.#portalLinks.load(),
      erasures: this.#erasures.load(),
    };
  }

  auditPage(before: number, limit: number): readonly AuditEntry[] {
    return this.#audit.page(before, limit);
  }

  apply(change: IdentityChange): void {
    switch (change.kind) {
      case 'key':
        return this.#keys.put(change.key);
      case 'key_used':
        return this.#keys.setLastUsed(change.id, change.lastUsedMs);
      case 'key_removed':
        return this.#keys.delete(change.id);
      case 'revocation':
        return this.#revocations.put(change.revocation);
      case 'revocation_removed':
        return this.#revocations.delete(change.of, change.name);
      case 'revocations_pruned':
        return this.#revocations.prune(change.beforeMs);
      case 'session_revoked':
      case 'login_signer':
        return;
      case 'portal_link':
        return this.#portalLinks.put(change.link);
      case 'portal_links_pruned':
        return this.#portalLinks.prune(change.beforeMs);
      case 'erasure':
        return this.#erasures.put(change.erasure);
      case 'erasure_finished':
        return this.#erasures.delete(change.id);
      case 'audit':
        return this.#audit.insert(change.entry);
    }
  }
}

/** The keys, revocations, portal links and audit entries that move from one home to another. */
export interface MovedIdentity {
  readonly changes: readonly IdentityChange[];
  readonly hasEverHadKeys: boolean;
  /** The oldest first. They keep their ids. */
  readonly audit: readonly AuditEntry[];
}

/** Writes the identity store of a folder that no hub uses and that has none. */
export function writeIdentity(folder: string, { changes, hasEverHadKeys, audit }: MovedIdentity): void {
  using database = openDatabaseFile(identityFile(folder));
  const tables = new IdentityTables(database, audit.length);
  database.exec('BEGIN');
  for (const change of changes) tables.apply(change);
  if (hasEverHadKeys) database.exec("INSERT OR IGNORE INTO note VALUES ('had keys')");
  const insert = database.prepare(
    'INSERT INTO audit (id, time_ms, action, subject, by, detail) VALUES (?, ?, ?, ?, ?, ?)',
  );
  for (const { id, timeMs, action, subject, by, detail } of audit)
    insert.run(id, timeMs, action, subject, JSON.stringify(by), JSON.stringify(detail));
  database.exec('COMMIT');
}
