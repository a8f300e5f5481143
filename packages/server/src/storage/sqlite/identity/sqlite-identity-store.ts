import { PolycastError } from '@polycast/protocol';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AuditEntry, IdentityChange, IdentityStore, StoredIdentity } from '../../../core/access/identity-store.ts';
import { CommitCounter } from '../commit-counter.ts';
import { isFull } from '../failure.ts';
import { openDatabaseFile } from '../database-file.ts';
import { IDENTITY_FILE, identityFile, invalidRowError, MARK_FILE } from './identity-file.ts';
import { IdentityTables } from './identity-tables.ts';

export interface SqliteIdentityStoreOptions {
  /** A data folder that this process has locked. */
  readonly folder: string;
  /** The bound on entries of the audit log. Above it the oldest are deleted. */
  readonly auditEntriesMax: number;
  readonly logger: { error(fields: object, message: string): void };
}

/**
 * Opens the identity store of a data folder.
 * @throws DataFolderError for a file that is damaged, foreign or too new
 */
export function openIdentityStore(options: SqliteIdentityStoreOptions): IdentityStore {
  const databaseFile = identityFile(options.folder);
  const database = openDatabaseFile(databaseFile);
  // From here on commits do not sync: see `BackgroundSync`.
  database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 0');
  return new SqliteIdentityStore(database, databaseFile.file, options);
}

/**
 * One SQLite file, written on the main thread. That thread never waits for the disk, since syncs
 * run in the background.
 */
class SqliteIdentityStore implements IdentityStore {
  readonly #options: SqliteIdentityStoreOptions;
  readonly #database: DatabaseSync;
  readonly #tables: IdentityTables;
  readonly #commits: CommitCounter;
  #pending: PendingWrite[] = [];
  /** Changes that are in force and not stored yet. */
  #unwritten: PendingWrite[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastCommitMs = -Infinity;
  /** A failing disk is logged once, and again after a write that succeeded. */
  #isFailureLogged = false;
  readonly #incrementCommitCount: StatementSync;

  constructor(database: DatabaseSync, file: string, options: SqliteIdentityStoreOptions) {
    const { folder, auditEntriesMax, logger } = options;
    this.#options = options;
    this.#database = database;
    this.#tables = new IdentityTables(database, auditEntriesMax);
    this.#incrementCommitCount = database.prepare('UPDATE committed SET count = count + 1');
    const row = database.prepare('SELECT count FROM committed').get() as { count: number } | undefined;
    if (row === undefined) throw invalidRowError('no count of its transactions');
    this.#commits = new CommitCounter(file, join(folder, MARK_FILE), row.count);
    if (this.#commits.hasLostCommits) logger.error({ data: folder }, LOST_COMMITS_MESSAGE);
  }

  load(): StoredIdentity {
    return { ...this.#tables.load(), hasLostCommits: this.#commits.hasLostCommits };
  }

  write(changes: readonly IdentityChange[]): void {
    const database = this.#database;
    try {
      database.exec('BEGIN IMMEDIATE');
      for (const change of changes) this.#tables.apply(change);
      this.#incrementCommitCount.run();
      database.exec('COMMIT');
      this.#commits.count();
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
      throw this.#writeError(error);
    }
  }

  async whenDurable(): Promise<void> {
    try {
      await this.#commits.sync();
      this.#isFailureLogged = false;
    } catch (error) {
      throw this.#unavailableError(error);
    }
  }

  whenWritable(): Promise<void> {
    return this.#commits.backgroundSync.whenIdle();
  }

  writeSoon(changes: () => readonly IdentityChange[]): Promise<void> {
    return this.#await({ changes, isInForce: false });
  }

  writeInForce(changes: () => readonly IdentityChange[], onStored?: () => void): Promise<void> {
    return this.#await({ changes, isInForce: true, onStored });
  }

  async retryWrites(): Promise<void> {
    await this.whenWritable();
    await this.#writeUnwritten();
    await this.whenDurable();
  }

  maintain(writes: () => void): void {
    // The next call does this work.
    if (this.#commits.backgroundSync.isCheckpointing) return;
    // The changes are in force already, and their callers have had an answer.
    void this.#writeUnwritten().catch(() => undefined);
    writes();
    this.#commits.backgroundSync.checkpointIfNeeded();
  }

  auditPage(before: number, limit: number): readonly AuditEntry[] {
    this.#writePending();
    return this.#tables.auditPage(before, limit);
  }

  /** Writes in this turn. Resolves once the changes are durable. */
  async #writeUnwritten(): Promise<void> {
    const unwritten = this.#unwritten;
    if (unwritten.length === 0) return;
    try {
      this.write(unwritten.flatMap(({ changes }) => changes()));
    } catch (error) {
      throw inForce(error);
    }
    this.#unwritten = [];
    await this.#made(unwritten);
  }

  #await(what: Pick<PendingWrite, 'changes' | 'isInForce' | 'onStored'>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.push({ ...what, resolve, reject });
    const restMs = this.#lastCommitMs + COMMIT_INTERVAL_MS - performance.now();
    this.#timer ??= setTimeout(() => this.#writePending(), Math.max(0, restMs));
    return promise;
  }

  /**
   * Writes the pending changes now. While a thread may hold the file's lock it writes them later,
   * unless `isLast`.
   */
  #writePending(isLast = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#commits.backgroundSync.isCheckpointing && !isLast) {
      this.#timer = setTimeout(() => this.#writePending(), COMMIT_INTERVAL_MS);
      return;
    }
    const pending = this.#pending.splice(0);
    if (pending.length === 0) return;
    try {
      this.write(pending.flatMap(({ changes }) => changes()));
    } catch (error) {
      this.#notMade(pending, error);
      return;
    } finally {
      this.#lastCommitMs = performance.now();
    }
    void this.#made(pending).catch(() => undefined);
  }

  async #made(written: readonly PendingWrite[]): Promise<void> {
    try {
      await this.whenDurable();
    } catch (error) {
      this.#notMade(written, error);
      throw error;
    }
    for (const { resolve, onStored } of written) {
      onStored?.();
      resolve();
    }
  }

  #notMade(waiting: readonly PendingWrite[], error: unknown): void {
    for (const each of waiting) {
      if (each.isInForce && this.#unwritten.length < UNWRITTEN_MAX) this.#unwritten.push(each);
      each.reject(each.isInForce ? inForce(error) : error);
    }
  }

  #writeError(error: unknown): unknown {
    return (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR' ? this.#unavailableError(error) : error;
  }

  /** The callers receive the words of the catalogue, and the log those of SQLite. */
  #unavailableError(error: unknown): PolycastError {
    const code = isFull(error) ? 'log_full' : 'log_unavailable';
    const refusal = new PolycastError(code, undefined, undefined, { cause: error });
    if (!this.#isFailureLogged)
      this.#options.logger.error({ file: IDENTITY_FILE, error: String(refusal) }, 'identity store: write failed');
    this.#isFailureLogged = true;
    return refusal;
  }

  close(): void {
    if (!this.#database.isOpen) return;
    // A thread that holds the file's lock releases it within moments. No request waits for the main
    // thread any more.
    this.#database.exec('PRAGMA busy_timeout = 5000');
    this.#writePending(true);
    void this.#writeUnwritten().catch(() => undefined);
    const { folder, logger } = this.#options;
    const count = this.#unwritten.length;
    if (count > 0) logger.error({ data: folder, count }, LOST_REVOCATIONS);
    this.#commits.beforeClose();
    // SQLite syncs everything when the last connection closes.
    this.#database.close();
    this.#commits.afterClose();
  }
}

interface PendingWrite {
  readonly changes: () => readonly IdentityChange[];
  /** The change takes effect without waiting for the disk. */
  readonly isInForce: boolean;
  readonly onStored?: (() => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const COMMIT_INTERVAL_MS = 50;

/**
 * Changes in force that may wait for the disk. Further ones are in force and are not stored. A disk
 * that stays full for that long has other problems.
 */
const UNWRITTEN_MAX = 100_000;

const LOST_COMMITS_MESSAGE =
  'identity store: the newest acknowledged changes are missing from identity.sqlite; revoked keys and tokens may be accepted again';
const LOST_REVOCATIONS =
  'identity store: the last revocations were not stored; revoked credentials may be accepted after a restart';

function inForce(error: unknown): unknown {
  if (!(error instanceof PolycastError)) return error;
  return new PolycastError(
    error.code,
    'The change is in force. The hub stores it when the disk accepts it, and loses it if it stops before.',
    undefined,
    { cause: error.cause },
  );
}
