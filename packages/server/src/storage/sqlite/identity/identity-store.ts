import { PolycastError } from '@polycast/protocol';
import { dirname, join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import { CommittedMark, readMark } from '../committed-mark.ts';
import { isFull } from '../failure.ts';
import { BackgroundSync } from '../background-sync.ts';
import { openDatabaseFile } from '../database-file.ts';

/**
 * `plid` in ASCII. Hashes are useless to a thief, but names and the audit log may be useful. So
 * only the hub's own user can read the file.
 */
const APPLICATION_ID = 0x706c6964;

/**
 * The steps from each schema version to the next. Steps are only ever added: `user_version` in the
 * file is the number of steps that were applied.
 *
 * - `secret` has the SHA-256 of the secret that the key's holder has. A key in rotation has two.
 * - `revocation`: credentials of that name that were issued before `issued_before_ms` are invalid.
 *   The row is needed until `kept_until_ms`.
 * - `note` has the names of tasks that were done once for this folder.
 * - `committed` counts transactions: see `storage/sqlite/committed-mark.ts`.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE key (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     scopes TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     expires_ms INTEGER,
     last_used_ms INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE secret (
     key TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
     hash BLOB NOT NULL CHECK (length(hash) = 32),
     created_ms INTEGER NOT NULL,
     expires_ms INTEGER,
     PRIMARY KEY (key, hash)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE revocation (
     kind TEXT NOT NULL CHECK (kind IN ('user', 'token', 'key')),
     name TEXT NOT NULL,
     issued_before_ms INTEGER NOT NULL,
     kept_until_ms INTEGER NOT NULL,
     PRIMARY KEY (kind, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE audit (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     time_ms INTEGER NOT NULL,
     action TEXT NOT NULL,
     subject TEXT NOT NULL,
     by TEXT NOT NULL,
     detail TEXT NOT NULL
   ) STRICT;
   CREATE TABLE note (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE committed (id INTEGER PRIMARY KEY CHECK (id = 0), count INTEGER NOT NULL) STRICT;
   INSERT INTO committed VALUES (0, 0);`,
];

/**
 * The stored data of identity: keys, revocations and the audit log. It is one SQLite file, written
 * seldom and on the main thread. That thread never waits for the disk, since syncs run in the
 * background. Requests are answered from memory.
 *
 * A change is in force when it has taken effect in memory, before it is stored. Example: a
 * revocation rejects a user's requests even while the disk is full.
 */
export class IdentityStore {
  readonly database: DatabaseSync;
  readonly #backgroundSync: BackgroundSync;
  #pending: PendingWrite[] = [];
  /** Changes that are in force and not stored yet. */
  #unwritten: PendingWrite[] = [];
  /** Callbacks for the commit of the current transaction. */
  #onCommit: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastCommitMs = -Infinity;
  /**
   * True if acknowledged changes are missing from the file. Its write-ahead log was removed, or an
   * older file was put in its place.
   */
  readonly hasLostCommits: boolean;
  readonly #incrementCommitCount: StatementSync;
  readonly #committedMark: CommittedMark | undefined;
  #commitCount: number;
  #syncedCount: number;

  constructor(database: DatabaseSync, file: string) {
    this.database = database;
    this.#backgroundSync = new BackgroundSync(file);
    this.#incrementCommitCount = database.prepare('UPDATE committed SET count = count + 1');
    const row = database.prepare('SELECT count FROM committed').get() as { count: number } | undefined;
    if (row === undefined) throw invalidRowError('no count of its transactions');
    this.#commitCount = this.#syncedCount = row.count;
    const mark = file === ':memory:' ? undefined : join(dirname(file), MARK_FILE);
    this.hasLostCommits = mark !== undefined && (readMark(mark)?.through ?? 0) > row.count;
    if (mark === undefined) return;
    this.#committedMark = new CommittedMark(mark);
    this.#committedMark.begin({ generation: 0, through: row.count });
  }

  /**
   * Runs in one transaction. Its changes are durable once `whenDurable` has resolved, and no
   * request is answered before that.
   * @throws PolycastError `log_full`, `log_unavailable` when the disk does not accept it
   */
  write<Result>(run: () => Result): Result {
    const { database } = this;
    this.#onCommit = [];
    try {
      database.exec('BEGIN IMMEDIATE');
      const result = run();
      this.#incrementCommitCount.run();
      database.exec('COMMIT');
      this.#commitCount++;
      for (const callback of this.#onCommit.splice(0)) callback();
      return result;
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
      throw writeError(error);
    }
  }

  /**
   * Registers a callback within `write`. It is called once after the commit, and never after a
   * rollback.
   */
  afterCommit(callback: () => void): void {
    this.#onCommit.push(callback);
  }

  /**
   * Resolves once all earlier writes are durable.
   * @throws PolycastError `log_unavailable` when the disk does not accept them
   */
  async whenDurable(): Promise<void> {
    const committed = this.#commitCount;
    try {
      await this.#backgroundSync.sync();
      this.#onSynced(committed);
    } catch (error) {
      throw new PolycastError('log_unavailable', `${IDENTITY_FILE} cannot be written: ${(error as Error).message}.`);
    }
  }

  /** A thread works on the file, and may hold the lock that `write` needs. */
  get isCheckpointing(): boolean {
    return this.#backgroundSync.isCheckpointing;
  }

  /**
   * Resolves when `write` finds no lock. Await it before a write that a request waits for. Then
   * repeat every check that was made before.
   */
  whenWritable(): Promise<void> {
    return this.#backgroundSync.whenIdle();
  }

  /**
   * To be called every second or so, after the writes that are due then. A thread may work on the
   * file for a while.
   */
  checkpointIfNeeded(): void {
    this.#backgroundSync.checkpointIfNeeded();
  }

  /**
   * Writes together with the other changes of about that time, at most twenty times a second. A
   * crowd that logs out at once waits for one write of the disk. Resolves once the change is
   * durable.
   */
  writeSoon(run: () => void): Promise<void> {
    return this.#await({ run, isInForce: false });
  }

  /**
   * Like `writeSoon`, for a change that is in force and must not be undone. If the disk does not
   * accept it, each `settle` tries again, and so does `close`. `run` may be called several times.
   * @param stored called once the change is durable, however late
   * @throws PolycastError `log_full`, `log_unavailable`: rejects when the disk does not accept it
   * at first
   */
  writeInForce(run: () => void, stored?: () => void): Promise<void> {
    return this.#await({ run, isInForce: true, stored });
  }

  /**
   * Tries again, in this turn, to write the changes that are in force and not stored. Resolves once
   * they are durable.
   * @throws PolycastError `log_full`, `log_unavailable`: rejects when the disk still does not
   * accept them
   */
  async settle(): Promise<void> {
    const unwritten = this.#unwritten;
    if (unwritten.length === 0) return;
    try {
      this.write(() => {
        for (const { run } of unwritten) run();
      });
    } catch (error) {
      throw inForce(error);
    }
    this.#unwritten = [];
    await this.#made(unwritten);
  }

  #await(what: Pick<PendingWrite, 'run' | 'isInForce' | 'stored'>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.push({ ...what, resolve, reject });
    const restMs = this.#lastCommitMs + COMMIT_INTERVAL_MS - performance.now();
    this.#timer ??= setTimeout(() => this.writePending(), Math.max(0, restMs));
    return promise;
  }

  /**
   * Writes the pending changes now. While a thread may hold the file's lock it writes them later,
   * unless `isLast`.
   */
  writePending(isLast = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#backgroundSync.isCheckpointing && !isLast) {
      this.#timer = setTimeout(() => this.writePending(), COMMIT_INTERVAL_MS);
      return;
    }
    const pending = this.#pending.splice(0);
    if (pending.length === 0) return;
    try {
      this.write(() => {
        for (const { run } of pending) run();
      });
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
    for (const { resolve, stored } of written) {
      stored?.();
      resolve();
    }
  }

  #notMade(waiting: readonly PendingWrite[], error: unknown): void {
    for (const each of waiting) {
      if (each.isInForce && this.#unwritten.length < UNWRITTEN_MAX) this.#unwritten.push(each);
      each.reject(each.isInForce ? inForce(error) : error);
    }
  }

  /**
   * Closes the store. SQLite syncs everything when the last connection closes.
   * @returns the number of changes that are in force and not stored: they are lost with this
   * process
   */
  close(): number {
    // A thread that holds the file's lock releases it within moments. No request waits for the main
    // thread any more.
    if (this.database.isOpen) this.database.exec('PRAGMA busy_timeout = 5000');
    this.writePending(true);
    void this.settle().catch(() => undefined);
    const lost = this.#unwritten.length;
    void this.#backgroundSync.close();
    if (this.database.isOpen) this.database.close();
    this.#onSynced(this.#commitCount);
    this.#committedMark?.close();
    return lost;
  }

  /** Marks durable commits only, so a mark never claims more than was acknowledged. */
  #onSynced(committed: number): void {
    if (committed <= this.#syncedCount) return;
    this.#syncedCount = committed;
    this.#committedMark?.update(committed);
  }
}

interface PendingWrite {
  readonly run: () => void;
  /** The change takes effect without waiting for the disk. */
  readonly isInForce: boolean;
  readonly stored?: (() => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const COMMIT_INTERVAL_MS = 50;

/**
 * Changes in force that may wait for the disk. Further ones are in force and are not stored. A disk
 * that stays full for that long has other problems.
 */
const UNWRITTEN_MAX = 100_000;

/** The file's name in the data folder. */
export const IDENTITY_FILE = 'identity.sqlite';
const MARK_FILE = 'identity-committed.json';

/**
 * Opens the store of a data folder that this process has locked, or one in memory.
 * @param data the folder, or `:memory:`
 * @throws DataFolderError for a file that is damaged, foreign or too new
 */
export function openIdentityStore(data: string): IdentityStore {
  const file = data === ':memory:' ? data : join(data, IDENTITY_FILE);
  const database = openDatabaseFile({
    file,
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    pragmas: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA secure_delete = ON',
    repair: REPAIR,
  });
  // From here on commits do not sync: see `BackgroundSync`.
  database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 0');
  return new IdentityStore(database, file);
}

/** The error for a row that no version of Polycast writes. Another program wrote it. */
export function invalidRowError(problem: string): DataFolderError {
  return new DataFolderError('corrupt', `${IDENTITY_FILE} in the data folder holds ${problem}. ${REPAIR}`);
}

const REPAIR =
  'Nothing has been changed. Put a backup in its place; or move it away, and the keys in it are good no more.';

function writeError(error: unknown): unknown {
  if ((error as { code?: unknown }).code !== 'ERR_SQLITE_ERROR') return error;
  if (isFull(error)) return new PolycastError('log_full');
  return new PolycastError('log_unavailable', `${IDENTITY_FILE} cannot be written: ${(error as Error).message}.`);
}

function inForce(error: unknown): unknown {
  if (!(error instanceof PolycastError)) return error;
  return new PolycastError(
    error.code,
    'It is in force; it is stored once the disk takes it, and lost if the hub ends before.',
  );
}
