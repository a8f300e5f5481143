import { rmSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { Position } from '../../../core/ports.ts';
import type { StoredPresence, StoredPresenceChannel } from '../../../core/presence/presence-types.ts';
import type { PresenceChange, PresenceUser } from '../../../core/presence/presence-events.ts';
import type { PresenceStore } from '../../../core/presence/presence-store.ts';
import { BackgroundSync } from '../background-sync.ts';
import { openDatabaseFile, pragma } from '../database-file.ts';
import { presenceFile } from './presence-file.ts';

/**
 * A file of up to this size is written anew on the event loop, and a larger one in a thread. With
 * 22,000 users in it, it has 1.3 MB, and that took 15 ms of CPU.
 */
const REWRITTEN_HERE_BYTES_MAX = 2 * 1024 * 1024;

/** One small database beside the log. */
class SqlitePresenceStore implements PresenceStore {
  readonly #database: DatabaseSync;
  readonly #backgroundSync: BackgroundSync;
  readonly #statements: Statements;
  readonly #epoch: string;
  #position: Position = 0;
  #isRewriting = false;
  #usersSequence = 0;
  #channelsSequence = 0;

  constructor(database: DatabaseSync, file: string, epoch: string) {
    this.#database = database;
    this.#backgroundSync = new BackgroundSync(file);
    this.#epoch = epoch;
    const prepare = ([name, sql]: [string, string]): [string, StatementSync] => [name, database.prepare(sql)];
    this.#statements = Object.fromEntries(Object.entries(STATEMENTS).map(prepare)) as unknown as Statements;
    this.#readPosition();
  }

  get position(): Position {
    return this.#position;
  }

  get isBusy(): boolean {
    return this.#isRewriting;
  }

  apply(changes: readonly PresenceChange[], position: Position): void {
    if (this.#isRewriting) throw new Error('presence.sqlite is busy: an erasure rewrites it');
    const before = { users: this.#usersSequence, channels: this.#channelsSequence };
    try {
      this.#database.exec('BEGIN');
      for (const change of changes) this.#apply(change);
      this.#statements.mark.run(this.#epoch, position, this.#usersSequence, this.#channelsSequence);
      this.#database.exec('COMMIT');
      this.#position = position;
      this.#backgroundSync.checkpointIfNeeded();
    } catch (error) {
      this.#usersSequence = before.users;
      this.#channelsSequence = before.channels;
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  load(): StoredPresence {
    const { members, allCounts, allOnline, allOccupied } = this.#statements;
    const byChannel = new Map<string, Writable<StoredPresenceChannel> & { readonly members: PresenceUser[] }>();
    const channelOf = (channel: string) => {
      const known = byChannel.get(channel) ?? { channel, isListed: true, users: 0, anonymous: 0, members: [] };
      byChannel.set(channel, known);
      return known;
    };
    for (const row of allCounts.iterate() as Iterable<CountsRow>) {
      const { channel, users, anonymous, listed } = row;
      Object.assign(channelOf(channel), { users, anonymous, isListed: listed === 1 });
    }
    for (const { channel, user, info, sessions, sinceMs } of members.iterate() as Iterable<MemberRow>) {
      const parsed: unknown = info === null ? undefined : JSON.parse(info);
      channelOf(channel).members.push({ user, info: parsed, sessions, sinceMs });
    }
    return {
      channels: [...byChannel.values()],
      online: (allOnline.all() as unknown as { user: string }[]).map(({ user }) => user),
      occupied: (allOccupied.all() as unknown as { channel: string }[]).map(({ channel }) => channel),
      usersSequence: this.#usersSequence,
      channelsSequence: this.#channelsSequence,
    };
  }

  async eraseRemoved(): Promise<void> {
    await this.#backgroundSync.whenIdle();
    if (!this.#database.isOpen) return;
    // When SQLite moves rows between pages, the unused bytes of the old page keep a copy.
    // With the pages that are in the write-ahead log only.
    const bytes = pragma(this.#database, 'page_count') * pragma(this.#database, 'page_size');
    if (bytes > REWRITTEN_HERE_BYTES_MAX) return this.#rewriteInThread();
    this.#database.exec('VACUUM');
    // The write-ahead log has removed rows until it is moved into the database.
    const { busy } = this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    if (busy !== 0) throw new Error('the write-ahead log of presence.sqlite is in use');
  }

  async #rewriteInThread(): Promise<void> {
    this.#isRewriting = true;
    try {
      await this.#backgroundSync.rewrite();
    } finally {
      this.#isRewriting = false;
    }
  }

  close(): void {
    void this.#backgroundSync.close();
    if (this.#database.isOpen) this.#database.close();
  }

  #readPosition(): void {
    const mark = this.#statements.readMark.get() as PositionRow | undefined;
    if (mark === undefined) return;
    // Sequences continue in a new epoch. A client that sees a new epoch has to read the presence
    // again.
    this.#usersSequence = mark.usersSequence;
    this.#channelsSequence = mark.channelsSequence;
    if (mark.epoch === this.#epoch) this.#position = mark.position;
    else this.#database.exec('DELETE FROM member; DELETE FROM counts; DELETE FROM online; DELETE FROM occupied');
  }

  #apply(change: PresenceChange): void {
    const statements = this.#statements;
    switch (change.kind) {
      case 'join':
      case 'update': {
        const { channel, user, info, sessions, sinceMs } = change;
        return void statements.putMember.run(
          channel,
          user,
          info === undefined ? null : JSON.stringify(info),
          sessions,
          sinceMs,
        );
      }
      case 'leave':
        return void statements.dropMember.run(change.channel, change.user);
      case 'count':
        if (!change.isListed) statements.dropMembers.run(change.channel);
        if (change.isListed && change.anonymous === 0) return void statements.dropCounts.run(change.channel);
        return void statements.putCounts.run(change.channel, change.users, change.anonymous, change.isListed ? 1 : 0);
      case 'online':
      case 'offline':
        this.#usersSequence = change.sequence;
        return void statements[change.kind].run(change.user);
      case 'occupied':
      case 'vacated':
        this.#channelsSequence = change.sequence;
        return void statements[change.kind].run(change.channel);
    }
  }
}

/**
 * Opens the store of a data folder that this process has locked. A damaged file is replaced by an
 * empty one: presence is rebuilt from the events that the log still has.
 * @param epoch the epoch of the log beside it
 * @throws DataFolderError for a file of a newer version
 */
export function openPresenceStore(folder: string, epoch: string): PresenceStore {
  const { file } = presenceFile(folder);
  try {
    return new SqlitePresenceStore(openPresenceDatabase(folder), file, epoch);
  } catch (error) {
    if (error instanceof DataFolderError && error.reason === 'newer_schema') throw error;
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
    return new SqlitePresenceStore(openPresenceDatabase(folder), file, epoch);
  }
}

function openPresenceDatabase(folder: string): DatabaseSync {
  const database = openDatabaseFile(presenceFile(folder));
  // The event loop must not wait for the thread of `BackgroundSync`.
  database.exec('PRAGMA busy_timeout = 0');
  return database;
}

const STATEMENTS = {
  putMember: 'INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?)',
  dropMember: 'DELETE FROM member WHERE channel = ? AND user = ?',
  dropMembers: 'DELETE FROM member WHERE channel = ?',
  putCounts: 'INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?)',
  dropCounts: 'DELETE FROM counts WHERE channel = ?',
  online: 'INSERT OR IGNORE INTO online VALUES (?)',
  offline: 'DELETE FROM online WHERE user = ?',
  occupied: 'INSERT OR IGNORE INTO occupied VALUES (?)',
  vacated: 'DELETE FROM occupied WHERE channel = ?',
  mark: 'INSERT OR REPLACE INTO mark VALUES (0, ?, ?, ?, ?)',
  readMark: 'SELECT epoch, position, users_sequence AS usersSequence, channels_sequence AS channelsSequence FROM mark',
  members: 'SELECT channel, user, info, sessions, since_ms AS sinceMs FROM member ORDER BY channel, since_ms',
  allCounts: 'SELECT channel, users, anonymous, listed FROM counts',
  allOnline: 'SELECT user FROM online',
  allOccupied: 'SELECT channel FROM occupied',
};

type Statements = Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

interface MemberRow {
  readonly channel: string;
  readonly user: string;
  readonly info: string | null;
  readonly sessions: number;
  readonly sinceMs: number;
}

interface CountsRow {
  readonly channel: string;
  readonly users: number;
  readonly anonymous: number;
  readonly listed: number;
}

interface PositionRow {
  readonly epoch: string;
  readonly position: number;
  readonly usersSequence: number;
  readonly channelsSequence: number;
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };
