import type { AwaitedWrites, IdentityChange, IdentityStore } from '../core/access/identity-store.ts';
import type { Erasure } from '../core/erasure.ts';
import type { AuditRecord } from '../core/audit.ts';
import type { AuditLog } from './audit.ts';

/**
 * The stored requests for erasures. A request and its entry in the audit log are stored together,
 * before the request is answered. In a cluster they are one command: every hub has the request, and
 * one of several hubs that finish it writes the entry.
 */
export class StoredErasureRequests {
  readonly #store: AwaitedWrites & Pick<IdentityStore, 'shared'>;
  readonly #audit: AuditLog;
  #pending: readonly Erasure[];

  constructor(store: AwaitedWrites & Pick<IdentityStore, 'shared'>, audit: AuditLog, pending: readonly Erasure[]) {
    this.#store = store;
    this.#audit = audit;
    this.#pending = pending;
  }

  /** Those at the start, and what other hubs have changed since. The oldest first. */
  get pending(): readonly Erasure[] {
    return this.#pending;
  }

  /** A hub of the cluster has changed them. */
  apply(change: IdentityChange): void {
    if (change.kind === 'erasure') this.#pending = [...this.#pending, change.erasure];
    if (change.kind === 'erasure_finished') this.#pending = this.#pending.filter(({ id }) => id !== change.id);
  }

  replaceAll(pending: readonly Erasure[]): void {
    this.#pending = pending;
  }

  /** @throws PolycastError `log_full`, `log_unavailable` */
  async add(erasure: Erasure, record: AuditRecord): Promise<void> {
    const change = { kind: 'erasure', erasure } as const;
    if (this.#store.shared !== undefined) return void (await this.#audit.commit([change], record, {}));
    await this.#store.whenWritable();
    this.#audit.write([change], record);
    await this.#store.whenDurable();
  }

  /** @throws PolycastError `log_full`, `log_unavailable` */
  async finish(id: string, record: AuditRecord): Promise<void> {
    const change = { kind: 'erasure_finished', id } as const;
    if (this.#store.shared !== undefined) return void (await this.#audit.commit([change], record, { erasure: id }));
    await this.#store.whenWritable();
    this.#audit.write([change], record);
    await this.#store.whenDurable();
  }
}
