import type { StatementSync } from 'node:sqlite';
import type { Actor, Audit, AuditRecord, Clock } from '../core/ports.ts';
import type { IdentityStore } from '../storage/sqlite/identity/identity-store.ts';

/**
 * One entry of the audit log. Example:
 * `{"id":7,"action":"key.created","subject":"<key id>","by":{"kind":"operator","user":"root"}}`.
 */
export interface AuditEntry {
  /** Rises with every entry. */
  readonly id: number;
  readonly timeMs: number;
  readonly action: string;
  readonly subject: string;
  /** The actor. `name` is the name that its key had at the time. */
  readonly by: Actor & { readonly name?: string };
  readonly detail: Readonly<Record<string, unknown>>;
}

/** An entry that has no id yet. */
export type Deed = Omit<AuditEntry, 'id'>;

export interface AuditParts {
  readonly store: IdentityStore;
  readonly clock: Clock;
  /** The bound on entries. Above it the oldest are deleted. */
  readonly entriesMax: number;
  /**
   * Writes each entry to the hub's log as well, once. An attacker who can empty the audit log
   * cannot reach that one.
   */
  readonly onEntry: (entry: Deed) => void;
  /** Reports an entry that could not be written. */
  readonly onWriteFailed: (error: unknown) => void;
}

/** The audit log: who changed the hub, how and when. It is durable and bounded. */
export class AuditLog implements Audit {
  /** Returns the present name of a key. `ApiKeys` sets it. */
  keyName: (id: string) => string | undefined = () => undefined;
  readonly #parts: AuditParts;
  readonly #insert: StatementSync;
  readonly #deleteOldest: StatementSync;
  readonly #page: StatementSync;

  constructor(parts: AuditParts) {
    const { database } = parts.store;
    this.#parts = parts;
    this.#insert = database.prepare('INSERT INTO audit (time_ms, action, subject, by, detail) VALUES (?, ?, ?, ?, ?)');
    this.#deleteOldest = database.prepare('DELETE FROM audit WHERE id <= ?');
    this.#page = database.prepare(
      'SELECT id, time_ms AS timeMs, action, subject, by, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?',
    );
  }

  record(record: AuditRecord): void {
    this.#parts.store.writeSoon(this.done(record)).catch(this.#parts.onWriteFailed);
  }

  /**
   * Records an action that has already taken effect, even if the disk fails. It is logged now, with
   * the present time and names.
   * @returns a function that writes the entry; call it within a transaction of the store, once for
   * each try
   */
  done(note: AuditRecord): () => void {
    const entry = this.#entry(note);
    this.#parts.onEntry(entry);
    return () => this.#write(entry);
  }

  /**
   * Records an action within a transaction of the store. The action and its entry are both stored
   * and logged, or neither is.
   */
  write(record: AuditRecord): void {
    const entry = this.#entry(record);
    this.#write(entry);
    this.#parts.store.afterCommit(() => this.#parts.onEntry(entry));
  }

  /** Returns at most `limit` entries with ids below `before`, the newest first. */
  page(before: number, limit: number): readonly AuditEntry[] {
    this.#parts.store.writePending();
    return this.#page.all(before, limit).map((row) => {
      const { by, detail, ...entry } = row as unknown as AuditEntry & { by: string; detail: string };
      return { ...entry, by: JSON.parse(by) as AuditEntry['by'], detail: JSON.parse(detail) as AuditEntry['detail'] };
    });
  }

  #entry({ action, subject, by, detail = {} }: AuditRecord): Deed {
    return {
      timeMs: this.#parts.clock.nowMs(),
      action,
      subject: subject.slice(0, SUBJECT_MAX),
      by: this.withKeyName(by),
      detail: boundedDetail(detail),
    };
  }

  #write({ timeMs, action, subject, by, detail }: Deed): void {
    const inserted = this.#insert.run(timeMs, action, subject, JSON.stringify(by), JSON.stringify(detail));
    const id = Number(inserted.lastInsertRowid);
    this.#deleteOldest.run(id - this.#parts.entriesMax);
  }

  /** Adds the present name of the actor's key. */
  withKeyName({ kind, key, user, address, ...given }: Actor & { readonly name?: string }): AuditEntry['by'] {
    const name = given.name ?? (key === undefined ? undefined : this.keyName(key));
    return {
      kind,
      ...(key !== undefined && { key }),
      ...(name !== undefined && { name }),
      ...(user !== undefined && { user }),
      ...(address !== undefined && { address }),
    };
  }
}

const SUBJECT_MAX = 256;
const DETAIL_MAX = 2048;

function boundedDetail(detail: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return JSON.stringify(detail).length <= DETAIL_MAX ? detail : { omitted: 'longer than is kept' };
}
