import { PolycastError } from '@polycast/protocol';
import { dirname, join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import { CommittedMark, readMark } from '../committed-mark.ts';
import { isFull } from '../failure.ts';
import { BackgroundSync } from '../background-sync.ts';
import { openDatabaseFile } from '../database-file.ts';

/** `plid`. Hashes are of no use to a thief, names and the audit log may be: nobody but the hub's own user reads them. */
const APPLICATION_ID = 0x706c6964;

/**
 * What leads from each schema version to the next. A list that is only ever added to: `user_version` in the file counts the
 * steps it has behind it.
 *
 * - `secret` holds SHA-256 of what the key's holder has; a key that is being rotated has two.
 * - `revocation`: credentials of that name given out before `issued_before_ms` are good for nothing; needed until `kept_until_ms`.
 * - `note` holds what was done once for this folder.
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
 * What identity keeps across restarts: keys, revocations, the audit log. One SQLite file, written seldom and on the main thread,
 * which never waits for the disk: syncs run beside it. What each request asks for is answered from memory.
 */
export class IdentityStore {
  readonly database: DatabaseSync;
  readonly #backgroundSync: BackgroundSync;
  #pending: PendingWrite[] = [];
  /** What is in force, and the disk has not taken yet. */
  #unwritten: PendingWrite[] = [];
  /** What is to be told once the present transaction has been committed. */
  #onCommit: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastCommitMs = -Infinity;
  /** Acknowledged changes are missing from the file: somebody removed its write-ahead log, or put an older file in its place. */
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
   * Does all of it or nothing. It is durable once `synced` has resolved: nobody is answered before.
   * @throws PolycastError `log_full`, `log_unavailable` when the disk does not take it
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
      for (const tell of this.#onCommit.splice(0)) tell();
      return result;
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
      throw writeError(error);
    }
  }

  /** Within `write`: called once that is committed, and never when it is undone. */
  afterCommit(tell: () => void): void {
    this.#onCommit.push(tell);
  }

  /**
   * All that was written before is durable once it resolves.
   * @throws PolycastError `log_unavailable` when the disk does not take it
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

  /** Resolves when `write` finds no lock. To be awaited before a write that somebody waits for, and whatever was checked is to be checked again. */
  whenWritable(): Promise<void> {
    return this.#backgroundSync.whenIdle();
  }

  /** To be called every second or so, after what is to be written then: a thread may work on the file for a while. */
  checkpointIfNeeded(): void {
    this.#backgroundSync.checkpointIfNeeded();
  }

  /**
   * Does it together with what else comes at about that time: a crowd that logs out at once waits for one write of the disk, and
   * holds up the hub with no more than twenty a second. Resolves once it is durable.
   */
  writeSoon(run: () => void): Promise<void> {
    return this.#await({ run, isInForce: false });
  }

  /**
   * The same for what is in force already, and must not come undone: what the disk does not take is tried again with each `settle`, and when
   * the hub ends. It may run several times.
   * @param stored called once it is durable, however late
   * @throws PolycastError `log_full`, `log_unavailable`: rejects when the disk has not taken it at first
   */
  writeInForce(run: () => void, stored?: () => void): Promise<void> {
    return this.#await({ run, isInForce: true, stored });
  }

  /**
   * Tries again what is in force and not written, in this turn. Resolves once that is durable.
   * @throws PolycastError `log_full`, `log_unavailable`: rejects when the disk still does not take it
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

  /** Does now what would be done soon; later while a thread may hold the file's lock. */
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
   * The last connection that is closed syncs all there is.
   * @returns how much is in force and has not been written: it is forgotten with this process
   */
  close(): number {
    // A thread that holds the file's lock gives it back within moments, and nobody else waits for this one any more.
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

  /** Only what is durable is marked, so a mark never claims more than was acknowledged. */
  #onSynced(committed: number): void {
    if (committed <= this.#syncedCount) return;
    this.#syncedCount = committed;
    this.#committedMark?.update(committed);
  }
}

interface PendingWrite {
  readonly run: () => void;
  /** Its effect does not wait for the disk. */
  readonly isInForce: boolean;
  readonly stored?: (() => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const COMMIT_INTERVAL_MS = 50;

/** Beyond it they are in force, and are not stored: a disk that has been full through so many has other troubles. */
const UNWRITTEN_MAX = 100_000;

/** The file's name in the data folder. */
export const IDENTITY_FILE = 'identity.sqlite';
const MARK_FILE = 'identity-committed.json';

/**
 * Opens the store of a data folder that this process holds, or one in memory.
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
  // From here on commits sync nothing by themselves: see `OffLoopSync`.
  database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 0');
  return new IdentityStore(database, file);
}

/** What a row holds that no version has written: somebody else has. */
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
