import type { AwaitedWrites } from '../core/access/identity-store.ts';
import type { Erasure } from '../core/erasure.ts';
import type { AuditRecord } from '../core/ports.ts';
import type { AuditLog } from './audit.ts';

/**
 * The stored requests for erasures. A request and its entry in the audit log are stored together,
 * before the request is answered.
 */
export class StoredErasureRequests {
  readonly pending: readonly Erasure[];
  readonly #store: AwaitedWrites;
  readonly #audit: AuditLog;

  constructor(store: AwaitedWrites, audit: AuditLog, pending: readonly Erasure[]) {
    this.#store = store;
    this.#audit = audit;
    this.pending = pending;
  }

  /** @throws PolycastError `log_full`, `log_unavailable` */
  async add(erasure: Erasure, record: AuditRecord): Promise<void> {
    await this.#store.whenWritable();
    this.#audit.write([{ kind: 'erasure', erasure }], record);
    await this.#store.whenDurable();
  }

  /** @throws PolycastError `log_full`, `log_unavailable` */
  async finish(id: string, record: AuditRecord): Promise<void> {
    await this.#store.whenWritable();
    this.#audit.write([{ kind: 'erasure_finished', id }], record);
    await this.#store.whenDurable();
  }
}
