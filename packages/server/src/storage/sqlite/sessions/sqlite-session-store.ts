import { rmSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { ChangeBatch } from '../../../core/session-journal/change-batch.ts';
import { hashOf, withoutLines, type Run } from '../../../core/session-journal/change-lines.ts';
import type { SessionJournalStore, UserSessionsQuery } from '../../../core/session-journal/session-journal-store.ts';
import type { SessionRecord } from '../../../core/session-journal/session-record.ts';
import { BackgroundSync } from '../background-sync.ts';
import { fileBytes, openDatabaseFile, wrapCorruptionErrors, type DatabaseFile } from '../database-file.ts';
import type { RingBounds } from '../../shared/ring-bounds.ts';
import { shardOfHash, withoutKeys } from './change-keys.ts';
import { SegmentRing } from './segment-ring.ts';
import { SessionQueries, type WantedLines } from './session-queries.ts';
import { sessionsFile } from './sessions-file.ts';

/** The runs that are stored. Sessions of older runs have left the ring, or lose their epoch. */
const RUNS_MAX = 1000;
/** Some 100,000 sessions. The thread that moves them into the database costs each 1 µs of CPU. */
const WAL_BYTES_MAX = 16 * 1024 * 1024;

/** The journal in one database beside the log. The event loop writes it, in batches. */
class SqliteSessionStore implements SessionJournalStore {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #backgroundSync: BackgroundSync;
  readonly #ring: SegmentRing;
  readonly #queries: SessionQueries;
  readonly #runs = new Map<number, Run>();
  /** Sessions that were erased while they were live: what they still do is not stored. */
  readonly #erased = new Set<number>();
  readonly #seen: StatementSync;
  readonly #run: number;
  #sinceMs: number;

  constructor(database: DatabaseSync, file: string, options: SessionStoreOptions) {
    this.#database = database;
    this.#file = file;
    this.#backgroundSync = new BackgroundSync(file, WAL_BYTES_MAX);
    this.#ring = new SegmentRing(database, options);
    this.#queries = new SessionQueries(database, this.#ring, (id) => this.#runs.get(id));
    this.#seen = database.prepare('UPDATE run SET seen_ms = ? WHERE id = ?');
    this.#run = this.#startRun(options);
    this.#sinceMs = this.#readMark(options.nowMs);
  }

  get newestNumber(): number {
    return this.#ring.newestSession;
  }

  get oldestNumber(): number {
    return this.#ring.oldest?.firstSession ?? 0;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  get batchLinesMax(): number {
    return this.#ring.batchLinesMax;
  }

  write(batches: readonly ChangeBatch[], nowMs: number): void {
    const erased = this.#erased;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const batch of batches)
        this.#ring.append(erased.size === 0 ? batch : batch.withoutChangesOf(erased), this.#run, nowMs);
      this.#seen.run(nowMs, this.#run);
      if (this.#ring.dropExpired(nowMs)) this.#moveMark(nowMs);
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#ring.reload();
      throw error;
    }
    if (erased.size > 0) for (const batch of batches) this.#forgetEnded(batch);
    this.#backgroundSync.checkpointIfNeeded();
  }

  get(number: number): SessionRecord | undefined {
    return this.#queries.get(number);
  }

  find(id: string): SessionRecord | undefined {
    return this.#queries.find(id);
  }

  ofUser(query: UserSessionsQuery): readonly SessionRecord[] {
    return this.#queries.ofUser(query);
  }

  page(before: number, limit: number): readonly SessionRecord[] {
    return this.#queries.page(before, limit);
  }

  eraseUser(user: string, openedThroughMs = Infinity): number {
    const sessions = new Map<number, SessionRecord>();
    for (const record of this.#queries.ofUser({ user, fromMs: 0, limit: Infinity }))
      if (record.openedMs <= openedThroughMs) sessions.set(record.number, record);
    if (sessions.size === 0) return 0;
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      this.#blank(this.#queries.linesOfUser(user, (number) => sessions.has(number)));
      // Those that authenticated later have lines without the user's name.
      for (const { number, changes } of sessions.values())
        if (changes.length > 0) this.#blank(this.#queries.linesOfSession(number));
      this.#removeKeys(user, sessions);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      this.#ring.reload();
      throw error;
    }
    for (const { number, end } of sessions.values()) if (end === undefined) this.#erased.add(number);
    // The write-ahead log has the lines until it is moved into the database.
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return sessions.size;
  }

  stats(): { readonly sessions: number; readonly bytes: number } {
    return { sessions: this.#ring.size, bytes: fileBytes(this.#file) };
  }

  close(nowMs: number): void {
    void this.#backgroundSync.close();
    if (!this.#database.isOpen) return;
    // The thread of `BackgroundSync` may hold the file's lock for a moment. No request waits now.
    this.#database.exec('PRAGMA busy_timeout = 5000');
    try {
      this.#database.prepare('UPDATE run SET seen_ms = ?, is_closed = 1 WHERE id = ?').run(nowMs, this.#run);
    } finally {
      this.#database.close();
    }
  }

  /** Nothing follows the end of a session. */
  #forgetEnded(batch: ChangeBatch): void {
    for (let index = 0; index < batch.count; index++)
      if (batch.isEnd(index)) this.#erased.delete(batch.sessionAt(index));
  }

  /** Erases lines. */
  #blank(lines: WantedLines): void {
    const read = this.#database.prepare('SELECT lines FROM batch WHERE id = ?');
    const write = this.#database.prepare('UPDATE batch SET lines = ? WHERE id = ?');
    for (const [batch, indexes] of lines) {
      const row = read.get(batch) as { readonly lines: string } | undefined;
      if (row === undefined) continue;
      write.run(withoutLines(row.lines.split('\n'), indexes).join('\n'), batch);
    }
  }

  /** Removes the hash of the user's name for these sessions. */
  #removeKeys(user: string, sessions: ReadonlyMap<number, SessionRecord>): void {
    const hash = hashOf(user);
    const shard = shardOfHash(hash);
    const lowerBits = new Set([...sessions.keys()].map((number) => number >>> 0));
    for (const segment of this.#ring.segments) {
      const keys = this.#ring.keys(segment, shard);
      const kept = withoutKeys(keys, (asked, session) => asked === hash && lowerBits.has(session));
      if (kept.length < keys.length) this.#ring.replaceKeys(segment, shard, kept);
    }
  }

  #startRun({ epoch, nowMs }: SessionStoreOptions): number {
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO run (epoch, started_ms, seen_ms, is_closed) VALUES (?, ?, ?, 0)')
      .run(epoch, nowMs, nowMs);
    const current = Number(lastInsertRowid);
    this.#database.prepare('DELETE FROM run WHERE id <= ?').run(current - RUNS_MAX);
    const rows = this.#database.prepare('SELECT id, epoch, seen_ms AS seenMs FROM run').all() as unknown as RunRow[];
    for (const { id, ...run } of rows) this.#runs.set(id, { ...run, isOver: id !== current });
    return current;
  }

  /**
   * The journal is complete since its first run, or since the oldest session of a ring
   * that dropped others.
   */
  #readMark(nowMs: number): number {
    const select = this.#database.prepare('SELECT complete_since_ms AS sinceMs FROM mark');
    const mark = select.get() as { readonly sinceMs: number } | undefined;
    if (mark === undefined) this.#database.prepare('INSERT INTO mark VALUES (0, ?)').run(nowMs);
    return mark?.sinceMs ?? nowMs;
  }

  #moveMark(nowMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, this.#ring.oldest?.firstMs ?? nowMs);
    this.#database.prepare('UPDATE mark SET complete_since_ms = ?').run(this.#sinceMs);
  }
}

interface RunRow {
  readonly id: number;
  readonly epoch: string;
  readonly seenMs: number;
}

export interface SessionStoreOptions extends RingBounds {
  readonly folder: string;
  /** Of the log beside it. */
  readonly epoch: string;
  readonly nowMs: number;
}

/**
 * Opens the journal of a data folder that this process has locked. A damaged file is replaced by an
 * empty one: no event depends on it.
 * @throws DataFolderError for a file of a newer version, or one that cannot be written,
 * as on a full disk
 */
export function openSessionStore(options: SessionStoreOptions): SessionJournalStore {
  const databaseFile = sessionsFile(options.folder);
  const { file } = databaseFile;
  const open = (): SessionJournalStore => {
    const database = openSessionDatabase(databaseFile);
    try {
      return wrapCorruptionErrors(databaseFile, () => new SqliteSessionStore(database, file, options));
    } catch (error) {
      database.close();
      throw error;
    }
  };
  try {
    return open();
  } catch (error) {
    if (!(error instanceof DataFolderError && error.reason === 'corrupt')) throw error;
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
    return open();
  }
}

function openSessionDatabase(file: DatabaseFile): DatabaseSync {
  const database = openDatabaseFile(file);
  // The event loop must not wait for the thread of `BackgroundSync`.
  database.exec('PRAGMA busy_timeout = 0');
  return database;
}
