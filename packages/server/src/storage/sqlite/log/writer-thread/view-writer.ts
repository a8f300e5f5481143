import type { DatabaseSync } from 'node:sqlite';
import type { AuditEntry } from '../../../../core/access/identity-store.ts';
import type { Overwritten } from '../../../../core/ports.ts';
import type { Block } from '../../../view/block.ts';
import {
  auditEntry,
  HAS_ERASED,
  readIdentity,
  type IdentityRowKind,
  type IdentityRows,
  type ViewIdentity,
} from '../../../view/identity-state.ts';
import type { DeadLetter, DeadLettersQuery } from '../../../../subscriptions/state/ports.ts';
import type { StoredSubscription } from '../../../../subscriptions/state/subscription-store.ts';
import {
  readDeadLetters,
  readEpoch,
  readLease,
  readSubscriptions,
  type SubscriptionRowKind,
  type SubscriptionRows,
} from '../../../view/subscription-state.ts';
import { applyBlock, WRITERS_MAX, type ViewTables, type WriterNumbers } from '../../../view/view-state.ts';
import type { BlockOutcome, ViewState, ViewSubscriptionState } from '../../../view/log-view.ts';
import type { AppliedBlocks, OpenedLog, WriterOptions } from '../messages.ts';
import { readViewState } from '../view-state-table.ts';
import { LogWriter } from './log-writer.ts';

/** The writer of a view: the blocks of a request and the state after them are one transaction. */
export class ViewWriter {
  readonly log: LogWriter;
  #state: ViewState;
  /** The connection that read `#state`, or changed it. */
  #database: DatabaseSync;
  #tables: SqliteViewTables | undefined;
  readonly #auditEntriesMax: number;

  /** @throws DataFolderError */
  constructor(options: WriterOptions) {
    this.log = new LogWriter(options, 'view');
    this.#auditEntriesMax = options.auditEntriesMax ?? 0;
    this.#database = this.log.database;
    this.#state = readViewState(this.#database);
  }

  get opened(): OpenedLog {
    return { ...this.log.opened, applied: this.#currentState() };
  }

  /**
   * @param isBehind more blocks wait already
   * @throws UnavailableError when no block was applied
   */
  apply(blocks: readonly Block[], isBehind = false): AppliedBlocks {
    let state = this.#state;
    const outcomes: BlockOutcome[] = [];
    const head = this.log.change((changes) => {
      state = this.#currentState();
      const tables = this.#tablesOf(this.log.database);
      for (const block of blocks) {
        if (block.sequence !== state.sequence + 1)
          throw new Error(`block ${block.sequence} does not follow block ${state.sequence}`);
        const applied = applyBlock(state, block, changes, tables);
        state = applied.state;
        outcomes.push(applied.outcome);
      }
      tables.save(state);
      return changes.head;
    }, isBehind);
    this.#state = state;
    return { state, outcomes, head };
  }

  /** One step, until no file has a byte of erased events. @throws UnavailableError */
  overwrite(): Overwritten {
    const hasErased = (): boolean => this.#tablesOf(this.log.database).identity.get('note', HAS_ERASED) !== undefined;
    if (!hasErased()) return 'done';
    const result = this.log.overwrite();
    if (result === 'done') this.log.change(() => this.#tablesOf(this.log.database).identity.delete('note', HAS_ERASED));
    return result;
  }

  identity(): ViewIdentity {
    return readIdentity(this.#tablesOf(this.log.database).identity, this.#state.sequence);
  }

  auditPage(before: number, limit: number): readonly AuditEntry[] {
    return this.#tablesOf(this.log.database).identity.auditPage(before, limit);
  }

  subscriptionState(): ViewSubscriptionState {
    const { subscriptions } = this.#tablesOf(this.log.database);
    return { lease: readLease(subscriptions), epoch: readEpoch(subscriptions) };
  }

  subscriptions(after: string, limit: number): readonly StoredSubscription[] {
    return readSubscriptions(this.#tablesOf(this.log.database).subscriptions, after, limit);
  }

  deadLetters(subscription: string, { after, limit }: DeadLettersQuery): readonly DeadLetter[] {
    return readDeadLetters(this.#tablesOf(this.log.database).subscriptions, subscription, after, limit);
  }

  /** A commit that failed, on a full disk for example, may be on the disk all the same. */
  #currentState(): ViewState {
    const { database } = this.log;
    if (database !== this.#database) {
      this.#state = readViewState(database);
      this.#database = database;
    }
    return this.#state;
  }

  /** The connection is another one after a failure. */
  #tablesOf(database: DatabaseSync): SqliteViewTables {
    if (this.#tables?.database !== database) this.#tables = new SqliteViewTables(database, this.#auditEntriesMax);
    return this.#tables;
  }
}

/** The tables that only a view has (`open-database.ts`). */
class SqliteViewTables implements ViewTables, WriterNumbers {
  readonly database: DatabaseSync;
  readonly writers = this;
  readonly identity: SqliteIdentityRows;
  readonly subscriptions: SqliteSubscriptionRows;
  readonly #save;
  readonly #find;
  readonly #insert;
  readonly #prune;

  constructor(database: DatabaseSync, auditEntriesMax: number) {
    this.database = database;
    this.identity = new SqliteIdentityRows(database, auditEntriesMax);
    this.subscriptions = new SqliteSubscriptionRows(database);
    this.#save = database.prepare('INSERT OR REPLACE INTO journal_view VALUES (1, ?)');
    this.#find = database.prepare('SELECT number FROM journal_writer WHERE incarnation = ?');
    this.#insert = database.prepare('INSERT OR REPLACE INTO journal_writer VALUES (?, ?, ?)');
    this.#prune = database.prepare(
      `DELETE FROM journal_writer WHERE incarnation IN
         (SELECT incarnation FROM journal_writer ORDER BY sequence DESC LIMIT -1 OFFSET ?)`,
    );
  }

  save(state: ViewState): void {
    this.#save.run(JSON.stringify(state));
  }

  get(incarnation: string): number {
    return (this.#find.get(incarnation) as { number: number } | undefined)?.number ?? 0;
  }

  set(incarnation: string, number: number, sequence: number): void {
    const isNew = this.get(incarnation) === 0;
    this.#insert.run(incarnation, number, sequence);
    if (isNew) this.#prune.run(WRITERS_MAX);
  }
}

export class SqliteIdentityRows implements IdentityRows {
  readonly #get;
  readonly #put;
  readonly #delete;
  readonly #count;
  readonly #all;
  readonly #addAudit;
  readonly #pruneAudit;
  readonly #auditPage;
  readonly #auditEntriesMax: number;

  constructor(database: DatabaseSync, auditEntriesMax: number) {
    this.#get = database.prepare('SELECT value FROM journal_identity WHERE kind = ? AND name = ?');
    this.#put = database.prepare('INSERT OR REPLACE INTO journal_identity VALUES (?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM journal_identity WHERE kind = ? AND name = ?');
    this.#count = database.prepare('SELECT count(*) AS count FROM journal_identity WHERE kind = ?');
    this.#all = database.prepare('SELECT value FROM journal_identity WHERE kind = ?');
    this.#addAudit = database.prepare('INSERT INTO journal_audit (entry) VALUES (?)');
    this.#pruneAudit = database.prepare('DELETE FROM journal_audit WHERE id <= ?');
    this.#auditPage = database.prepare('SELECT id, entry FROM journal_audit WHERE id < ? ORDER BY id DESC LIMIT ?');
    this.#auditEntriesMax = auditEntriesMax;
  }

  get(kind: IdentityRowKind, name: string): string | undefined {
    return (this.#get.get(kind, name) as { value: string } | undefined)?.value;
  }

  put(kind: IdentityRowKind, name: string, value: string): void {
    this.#put.run(kind, name, value);
  }

  delete(kind: IdentityRowKind, name: string): void {
    this.#delete.run(kind, name);
  }

  count(kind: IdentityRowKind): number {
    return (this.#count.get(kind) as { count: number }).count;
  }

  all(kind: IdentityRowKind): readonly string[] {
    return (this.#all.all(kind) as { value: string }[]).map(({ value }) => value);
  }

  addAudit(entry: string): void {
    const { lastInsertRowid } = this.#addAudit.run(entry);
    this.#pruneAudit.run(Number(lastInsertRowid) - this.#auditEntriesMax);
  }

  auditPage(before: number, limit: number): readonly AuditEntry[] {
    const rows = this.#auditPage.all(before, limit) as { id: number; entry: string }[];
    return rows.map(({ id, entry }) => auditEntry(id, entry));
  }
}

export class SqliteSubscriptionRows implements SubscriptionRows {
  readonly #get;
  readonly #put;
  readonly #delete;
  readonly #deleteAll;
  readonly #page;
  readonly #count;
  readonly #ids;

  constructor(database: DatabaseSync) {
    const ofKind = 'FROM journal_subscription WHERE subscription = ? AND kind = ?';
    this.#get = database.prepare(`SELECT value ${ofKind} AND name = ?`);
    this.#put = database.prepare('INSERT OR REPLACE INTO journal_subscription VALUES (?, ?, ?, ?)');
    this.#delete = database.prepare(`DELETE ${ofKind} AND name = ?`);
    this.#deleteAll = database.prepare('DELETE FROM journal_subscription WHERE subscription = ?');
    this.#page = database.prepare(`SELECT value ${ofKind} AND name > ? ORDER BY name LIMIT ?`);
    this.#count = database.prepare(`SELECT count(*) AS count ${ofKind}`);
    this.#ids = database.prepare(
      `SELECT subscription AS id FROM journal_subscription
         WHERE kind = 'status' AND subscription > ? ORDER BY subscription LIMIT ?`,
    );
  }

  get(kind: SubscriptionRowKind, subscription: string, name: string): string | undefined {
    return (this.#get.get(subscription, kind, name) as { value: string } | undefined)?.value;
  }

  put(kind: SubscriptionRowKind, subscription: string, name: string, value: string): void {
    this.#put.run(subscription, kind, name, value);
  }

  delete(kind: SubscriptionRowKind, subscription: string, name: string): number {
    return Number(this.#delete.run(subscription, kind, name).changes);
  }

  deleteAll(subscription: string): number {
    return Number(this.#deleteAll.run(subscription).changes);
  }

  page(kind: SubscriptionRowKind, subscription: string, after: string, limit: number): readonly string[] {
    return (this.#page.all(subscription, kind, after, limit) as { value: string }[]).map(({ value }) => value);
  }

  count(kind: SubscriptionRowKind, subscription: string): number {
    return (this.#count.get(subscription, kind) as { count: number }).count;
  }

  ids(after: string, limit: number): readonly string[] {
    return (this.#ids.all(after, limit) as { id: string }[]).map(({ id }) => id);
  }
}
