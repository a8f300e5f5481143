import { PolycastError } from '@polycast/protocol';
import type { StoredPortalLink } from '../../core/access/portal-link.ts';
import type { Erasure } from '../../core/erasure.ts';
import type {
  AuditEntry,
  IdentityChange,
  IdentityStore,
  NewAuditEntry,
  StoredIdentity,
  StoredKey,
  StoredRevocation,
} from '../../core/access/identity-store.ts';

/**
 * The data of a store in memory. Another store with the same data continues where this one ended.
 */
export interface MemoryIdentity {
  readonly keys: Map<string, StoredKey>;
  hasEverHadKeys: boolean;
  /** By kind and name. */
  readonly revocations: Map<string, StoredRevocation>;
  readonly portalLinks: Map<string, StoredPortalLink>;
  readonly erasures: Map<string, Erasure>;
  /** Entries as JSON, by their ids: so an entry does not retain the request that it is about. */
  readonly audit: Map<number, string>;
  lastAuditId: number;
}

export function createMemoryIdentity(): MemoryIdentity {
  return {
    keys: new Map(),
    hasEverHadKeys: false,
    revocations: new Map(),
    portalLinks: new Map(),
    erasures: new Map(),
    audit: new Map(),
    lastAuditId: 0,
  };
}

/**
 * An identity store without a disk: each change is written immediately.
 * @param auditEntriesMax the bound on entries of the audit log. Above it the oldest are deleted.
 */
export function createMemoryIdentityStore(
  auditEntriesMax: number,
  identity: MemoryIdentity = createMemoryIdentity(),
): IdentityStore {
  return new MemoryIdentityStore(auditEntriesMax, identity);
}

class MemoryIdentityStore implements IdentityStore {
  readonly #auditEntriesMax: number;
  readonly #identity: MemoryIdentity;
  #isClosed = false;

  constructor(auditEntriesMax: number, identity: MemoryIdentity) {
    this.#auditEntriesMax = auditEntriesMax;
    this.#identity = identity;
  }

  load(): StoredIdentity {
    const { keys, hasEverHadKeys, revocations, portalLinks, erasures } = this.#identity;
    return {
      keys: [...keys.values()].toSorted(
        (one, other) => one.createdMs - other.createdMs || (one.id < other.id ? -1 : 1),
      ),
      hasEverHadKeys,
      revocations: [...revocations.values()].toSorted((one, other) => one.keptUntilMs - other.keptUntilMs),
      portalLinks: [...portalLinks.values()],
      erasures: [...erasures.values()],
      hasLostCommits: false,
    };
  }

  write(changes: readonly IdentityChange[]): void {
    if (this.#isClosed) throw new PolycastError('log_unavailable', 'The hub is closing.');
    for (const change of changes) this.#apply(change);
  }

  async writeSoon(changes: () => readonly IdentityChange[]): Promise<void> {
    this.write(changes());
  }

  async writeInForce(changes: () => readonly IdentityChange[], onStored?: () => void): Promise<void> {
    await this.writeSoon(changes);
    onStored?.();
  }

  async retryWrites(): Promise<void> {
    // No write is pending.
  }

  async whenWritable(): Promise<void> {
    // Always.
  }

  async whenDurable(): Promise<void> {
    // Data in memory is never more durable than now.
  }

  auditPage(before: number, limit: number): readonly AuditEntry[] {
    const { audit, lastAuditId } = this.#identity;
    const entries: AuditEntry[] = [];
    for (let id = Math.min(before - 1, lastAuditId); entries.length < limit; id--) {
      const text = audit.get(id);
      if (text === undefined) break;
      entries.push({ id, ...(JSON.parse(text) as NewAuditEntry) });
    }
    return entries;
  }

  maintain(writes: () => void): void {
    writes();
  }

  close(): void {
    this.#isClosed = true;
  }

  #apply(change: IdentityChange): void {
    const { keys, revocations } = this.#identity;
    switch (change.kind) {
      case 'key': {
        const { key } = change;
        this.#identity.hasEverHadKeys = true;
        return void keys.set(key.id, { ...key, lastUsedMs: (keys.get(key.id) ?? key).lastUsedMs });
      }
      case 'key_used': {
        const key = keys.get(change.id);
        return void (key !== undefined && keys.set(change.id, { ...key, lastUsedMs: change.lastUsedMs }));
      }
      case 'key_removed':
        return void keys.delete(change.id);
      case 'revocation':
        return void revocations.set(nameOf(change.revocation.kind, change.revocation.name), change.revocation);
      case 'revocation_removed':
        return void revocations.delete(nameOf(change.of, change.name));
      case 'revocations_pruned':
        for (const [name, { keptUntilMs }] of revocations) if (keptUntilMs < change.beforeMs) revocations.delete(name);
        return;
      case 'session_revoked':
      case 'login_signer':
        return;
      case 'portal_link':
        return void this.#identity.portalLinks.set(change.link.id, change.link);
      case 'portal_links_pruned':
        for (const [id, { expiresMs }] of this.#identity.portalLinks)
          if (expiresMs < change.beforeMs) this.#identity.portalLinks.delete(id);
        return;
      case 'erasure':
        return void this.#identity.erasures.set(change.erasure.id, change.erasure);
      case 'erasure_finished':
        return void this.#identity.erasures.delete(change.id);
      case 'audit':
        return this.#append(change.entry);
    }
  }

  #append(entry: NewAuditEntry): void {
    const id = ++this.#identity.lastAuditId;
    this.#identity.audit.set(id, JSON.stringify(entry));
    this.#identity.audit.delete(id - this.#auditEntriesMax);
  }
}

/** No kind has a space in its name. */
function nameOf(kind: StoredRevocation['kind'], name: string): string {
  return `${kind} ${name}`;
}
