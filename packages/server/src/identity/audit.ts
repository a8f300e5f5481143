import type {
  AuditEntry,
  AuditStore,
  AwaitedWrites,
  CommandConditions,
  CommandRefusal,
  IdentityChange,
  IdentityStore,
  NewAuditEntry,
} from '../core/access/identity-store.ts';
import type { Clock } from '../core/ports.ts';
import type { Actor, Audit, AuditRecord } from '../core/audit.ts';

export interface AuditParts {
  readonly store: AuditStore & Pick<AwaitedWrites, 'write'> & Pick<IdentityStore, 'shared'>;
  readonly clock: Clock;
  /**
   * Writes each entry to the hub's log as well, once. An attacker who can empty the audit log
   * cannot reach that one.
   */
  readonly onEntry: (entry: NewAuditEntry) => void;
  /** Reports an entry that could not be written. */
  readonly onWriteFailed: (error: unknown) => void;
}

/** The audit log: who changed the hub, how and when. It is durable and bounded. */
export class AuditLog implements Audit {
  /** Returns the present name of a key. `ApiKeys` sets it. */
  keyName: (id: string) => string | undefined = () => undefined;
  readonly #parts: AuditParts;

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  record(record: AuditRecord): void {
    const change = this.done(record);
    this.#parts.store.writeSoon(() => [change]).catch(this.#parts.onWriteFailed);
  }

  /**
   * Records an action that has already taken effect, even if the disk fails. It is logged now, with
   * the present time and names.
   * @returns the entry, to be written together with the action
   */
  done(record: AuditRecord): IdentityChange {
    const entry = this.#entry(record);
    this.#parts.onEntry(entry);
    return { kind: 'audit', entry };
  }

  /** Writes changes and their entry. Both are stored and logged, or neither is. */
  write(changes: readonly IdentityChange[], record: AuditRecord): void {
    const entry = this.#entry(record);
    this.#parts.store.write([...changes, { kind: 'audit', entry }]);
    this.#parts.onEntry(entry);
  }

  /**
   * Makes changes and their entry a command of all hubs. Both are stored and logged, or neither is.
   * @throws PolycastError
   */
  async commit(
    changes: readonly IdentityChange[],
    record: AuditRecord,
    conditions: CommandConditions,
  ): Promise<CommandRefusal | undefined> {
    const { shared } = this.#parts.store;
    if (shared === undefined) throw new Error('only a shared store takes commands');
    const entry = this.#entry(record);
    const refusal = await shared.commit([...changes, { kind: 'audit', entry }], conditions);
    if (refusal === undefined) this.#parts.onEntry(entry);
    return refusal;
  }

  /** The same as `page`, of all hubs of a cluster. */
  async pageOfAll(before: number, limit: number): Promise<readonly AuditEntry[]> {
    return (await this.#parts.store.shared?.auditPage(before, limit)) ?? this.page(before, limit);
  }

  /** Returns at most `limit` entries with ids below `before`, the newest first. */
  page(before: number, limit: number): readonly AuditEntry[] {
    return this.#parts.store.auditPage(before, limit);
  }

  #entry({ action, subject, by, detail = {} }: AuditRecord): NewAuditEntry {
    return {
      timeMs: this.#parts.clock.nowMs(),
      action,
      subject: subject.slice(0, SUBJECT_MAX),
      by: this.withKeyName(by),
      detail: boundedDetail(detail),
    };
  }

  /** Adds the present name of the actor's key. */
  withKeyName({ kind, key, user, owner, address, ...given }: Actor & { readonly name?: string }): AuditEntry['by'] {
    const name = given.name ?? (key === undefined ? undefined : this.keyName(key));
    return {
      kind,
      ...(key !== undefined && { key }),
      ...(name !== undefined && { name }),
      ...(user !== undefined && { user }),
      ...(owner !== undefined && { owner }),
      ...(address !== undefined && { address }),
    };
  }
}

const SUBJECT_MAX = 256;
const DETAIL_MAX = 2048;

function boundedDetail(detail: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return JSON.stringify(detail).length <= DETAIL_MAX ? detail : { omitted: 'too long to store' };
}
