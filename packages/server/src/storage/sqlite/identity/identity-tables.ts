import type { DatabaseSync } from 'node:sqlite';
import type { AuditEntry, IdentityChange, StoredIdentity } from '../../../core/access/identity-store.ts';
import { AuditTable } from './audit-table.ts';
import { ErasureTable } from './erasure-table.ts';
import { PortalLinkTable } from './portal-link-table.ts';
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
