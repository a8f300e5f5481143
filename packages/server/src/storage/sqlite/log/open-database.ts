import { closeSync, openSync, readSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { Position } from '../../../core/ports.ts';
import {
  fileBytes,
  openDatabaseFile,
  pragma,
  reopenDatabaseFile,
  wrapCorruptionErrors as wrapFileErrors,
  type DatabaseFile,
} from '../database-file.ts';
import { damageError, isDamage } from '../failure.ts';
import { ChannelDirectory } from '../../shared/channel-directory.ts';
import type { ChannelEntry } from '../../shared/channel-directory.ts';
import { ChannelPrefixes, type PrefixLoss } from '../../shared/channel-prefixes.ts';
import { channelChecksumOf } from './checksum.ts';
import type { LogFiles } from './log-files.ts';
import { APPLICATION_ID, MIGRATIONS } from './schema.ts';
import { epochAfter } from '../../shared/epoch-after.ts';
import { isBuilding, leaveJournal } from './view-build.ts';
import { announceGeneration, mismatchOf, inodeOf, settleGeneration } from './generation-file.ts';
import type { DatabaseMismatch } from './generation-file.ts';

/** The single row of the table `state`. */
export interface StateRow {
  readonly epoch: string;
  readonly epochStart: Position;
  readonly generation: number;
  readonly inode: string;
  readonly reservedThrough: Position;
  readonly indexedThrough: Position;
  /** The loss of all prefixes without a row in `family`. */
  readonly forgottenThrough: Position;
  /** The number of channels ever forgotten. */
  readonly forgotten: number;
  readonly trims: number;
  /** Events up to this position have no checksum. */
  readonly uncheckedThrough: Position;
}

/** The channels of a database, as of the last commit. */
export interface LoadedChannels {
  readonly directory: ChannelDirectory;
  readonly lastId: number;
  /** Channels with events that are not indexed yet. `pending` is the number of these events. */
  readonly dirty: Set<ChannelEntry>;
  readonly pending: number;
}

const MAGIC = 'SQLite format 3\0';
/** SQLite treats a shorter file as an empty database. */
const PAGE_BYTES_MIN = 512;

const REPAIR =
  'Nothing has been changed. Restore a backup, or move the data folder away to start with an empty log; "sqlite3 log.db .recover" may recover events from it.';

/** A log of its own, or the view of the journal of a cluster. One cannot be opened as the other. */
export type DatabaseRole = 'log' | 'view';

/**
 * Opens the writer's connection. Rejects a database that is damaged, foreign, too new, or has
 * another role.
 * @throws DataFolderError
 */
export function openDatabase(files: LogFiles, role: DatabaseRole = 'log'): DatabaseSync {
  return wrapCorruptionErrors(files, () => {
    checkMagic(files.database);
    const database = openDatabaseFile(databaseFile(files, role));
    try {
      checkLength(database, files.database);
      checkRole(database, files, role);
      if (role === 'view' && isBuilding(files)) leaveJournal(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** Another connection to a database that was opened before. */
export function reopenDatabase(files: LogFiles, role: DatabaseRole): DatabaseSync {
  return reopenDatabaseFile(databaseFile(files, role));
}

/**
 * A database with this table is the view of a journal. `journal_writer` has the newest block of
 * each hub process. See `storage/view/view-state.ts`.
 */
const OWN_VIEW_TABLES = `CREATE TABLE journal_view (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     state TEXT NOT NULL
   );
   CREATE TABLE journal_writer (
     incarnation TEXT PRIMARY KEY,
     number INTEGER NOT NULL,
     sequence INTEGER NOT NULL
   ) WITHOUT ROWID;`;

/**
 * The identity of a cluster: see `storage/view/identity-state.ts`.
 * Views of earlier versions have none.
 */
const IDENTITY_TABLES = `CREATE TABLE IF NOT EXISTS journal_identity (
     kind TEXT NOT NULL,
     name TEXT NOT NULL,
     value TEXT NOT NULL,
     PRIMARY KEY (kind, name)
   ) WITHOUT ROWID;
   CREATE TABLE IF NOT EXISTS journal_audit (id INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL);`;

/**
 * The subscriptions of a cluster: see `storage/view/subscription-state.ts`.
 * Views of earlier versions have none.
 */
const SUBSCRIPTION_TABLES = `CREATE TABLE IF NOT EXISTS journal_subscription (
     subscription TEXT NOT NULL,
     kind TEXT NOT NULL,
     name TEXT NOT NULL,
     value TEXT NOT NULL,
     PRIMARY KEY (subscription, kind, name)
   ) WITHOUT ROWID;
   CREATE INDEX IF NOT EXISTS journal_subscription_status ON journal_subscription (subscription) WHERE kind = 'status';`;

/** What the database of a view has, and that of a log has not. */
export const VIEW_TABLES: string = `${OWN_VIEW_TABLES} ${IDENTITY_TABLES} ${SUBSCRIPTION_TABLES}`;

function checkRole(database: DatabaseSync, { folder }: LogFiles, role: DatabaseRole): void {
  const isView = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'journal_view'").get() !== undefined;
  if (isView && role === 'view') return database.exec(IDENTITY_TABLES + SUBSCRIPTION_TABLES);
  if (!isView && role === 'log') return;
  if (isView)
    throw new DataFolderError(
      'not_empty',
      `the data folder ${folder} belongs to a hub of a cluster; set \`cluster.nats\`, or use another folder`,
    );
  if (readState(database) !== undefined)
    throw new DataFolderError(
      'not_empty',
      `the data folder ${folder} has the log of a hub without a cluster; use an empty folder, or make it the start of a cluster with polycast cluster import`,
    );
  database.exec(VIEW_TABLES);
}

function databaseFile({ database }: LogFiles, role: DatabaseRole = 'log'): DatabaseFile {
  // The journal is the durable copy of a view. SQLite then syncs before a checkpoint only, so a
  // power cut may take the newest blocks, but never leaves half of one.
  const synchronous = role === 'view' ? 'NORMAL' : 'FULL';
  return {
    file: database,
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    // Removed events are overwritten where that costs no further write of the disk. An erasure
    // overwrites the rest. SQLite checkpoints run after a commit has been answered, not within it
    // (see `runHousekeeping` in `writer-thread/log-writer.ts`).
    pragmas: `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA fullfsync = 1; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;
     PRAGMA secure_delete = FAST; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY`,
    repair: REPAIR,
  };
}

export function readState(database: DatabaseSync): StateRow | undefined {
  return database
    .prepare(
      `SELECT epoch, epoch_start AS epochStart, generation, inode, reserved_through AS reservedThrough, indexed_through AS indexedThrough,
         forgotten_through AS forgottenThrough, forgotten, trims, unchecked_through AS uncheckedThrough FROM state`,
    )
    .get() as StateRow | undefined;
}

/**
 * The newest event that the database provably had. Retention removes only indexed events, so
 * `indexed_through` counts too.
 */
export function newestStored(database: DatabaseSync): Position {
  const { newest } = database
    .prepare(
      'SELECT max(coalesce((SELECT max(position) FROM event), 0), coalesce((SELECT indexed_through FROM state), 0)) AS newest',
    )
    .get() as { newest: Position };
  return newest;
}

/** Why the database is not the one that was last written in this folder. Undefined if it is. */
export function detectMismatch(database: DatabaseSync, files: LogFiles, state: StateRow): DatabaseMismatch | undefined {
  return mismatchOf(files, { ...state, newest: newestStored(database) });
}

/**
 * Begins a generation of the log. Begins an epoch as well if the folder was restored, or with
 * `renew`. Positions continue after all that were ever reserved, since the last positions of
 * ephemeral events are not stored.
 */
export function beginGeneration(
  database: DatabaseSync,
  files: LogFiles,
  options: { nowMs: number; chance: number; renew: boolean },
): StateRow & { readonly mismatch: DatabaseMismatch | undefined } {
  const old = readState(database);
  const inode = inodeOf(files);
  const mismatch = old === undefined ? undefined : detectMismatch(database, files, old);
  const keepsEpoch = old !== undefined && !options.renew && mismatch === undefined;
  const state: StateRow = {
    reservedThrough: 0,
    indexedThrough: 0,
    forgottenThrough: 0,
    forgotten: 0,
    trims: 0,
    uncheckedThrough: 0,
    ...old,
    generation: (old?.generation ?? 0) + 1,
    inode,
    epoch: keepsEpoch ? old.epoch : epochAfter(old?.epoch ?? '', options.nowMs, options.chance),
    epochStart: keepsEpoch ? old.epochStart : (old?.reservedThrough ?? 0),
  };
  announceGeneration(files, state.generation);
  database
    .prepare('INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
    .run(
      state.epoch,
      state.epochStart,
      state.generation,
      state.inode,
      state.reservedThrough,
      state.indexedThrough,
      state.forgottenThrough,
      state.forgotten,
      state.trims,
      state.uncheckedThrough,
    );
  settleGeneration(files, state.generation);
  return { ...state, mismatch };
}

/**
 * Gives the log of a closed data folder a new epoch. It is for a restore that the log cannot
 * detect, such as a snapshot of the whole disk. Every older cursor gets a gap.
 * @returns the new epoch
 * @throws DataFolderError
 */
export function renewEpoch(files: LogFiles): string {
  using database = openDatabase(files);
  return beginGeneration(database, files, { nowMs: Date.now(), chance: Math.random(), renew: true }).epoch;
}

/** Reads the rows of all channels, and adds the events that are not indexed yet. */
export function loadChannels(database: DatabaseSync, indexedThrough: Position): LoadedChannels {
  const directory = new ChannelDirectory();
  const byId = new Map<number, ChannelEntry>();
  const channels = database.prepare(
    `SELECT id, name, checksum, count, bytes, oldest_time_ms, latest_position, appended_position, appended_time_ms, trimmed_through,
         erased_through FROM channel ORDER BY id`,
  );
  channels.setReturnArrays(true);
  let lastId = 0;
  for (const row of channels.iterate() as Iterable<unknown>) {
    const entry = channelOf(row as ChannelRow);
    directory.add(entry);
    byId.set(entry.id, entry);
    lastId = entry.id;
  }
  const tail = database.prepare(
    'SELECT position, channel, time_ms, length(body) FROM event WHERE position > ? ORDER BY position',
  );
  tail.setReturnArrays(true);
  const dirty = new Set<ChannelEntry>();
  let pending = 0;
  for (const row of tail.iterate(indexedThrough) as Iterable<unknown>) {
    const [position, id, timeMs, bytes] = row as [number, number, number, number];
    const entry = byId.get(id);
    if (entry === undefined) throw damageError(`event ${position} has no channel`);
    applyAppend(entry, position, timeMs, bytes);
    dirty.add(entry);
    pending++;
  }
  return { directory, lastId, dirty, pending };
}

type ChannelRow = readonly [
  id: number,
  name: string,
  checksum: number | null,
  count: number,
  bytes: number,
  oldestTimeMs: number,
  latestPosition: number,
  appendedPosition: number,
  appendedTimeMs: number,
  trimmedThrough: number,
  erasedThrough: number,
];

function channelOf(row: ChannelRow): ChannelEntry {
  const [id, name, checksum] = row;
  if (checksum !== null && checksum !== channelChecksumOf(id, name))
    throw damageError(`channel ${id} differs from what was stored`);
  return {
    id,
    name,
    count: row[3],
    bytes: row[4],
    oldestTimeMs: row[5],
    latestPosition: row[6],
    appendedPosition: row[7],
    appendedTimeMs: row[8],
    trimmedThrough: row[9],
    erasedThrough: row[10],
  };
}

/** Reads the losses of forgotten channels. */
export function loadPrefixes(database: DatabaseSync, othersLostThrough: Position): ChannelPrefixes {
  const rows = database.prepare('SELECT name, forgotten_through, erased_through FROM family');
  rows.setReturnArrays(true);
  return new ChannelPrefixes(othersLostThrough, rows.all() as unknown as PrefixLoss[]);
}

export function applyAppend(entry: ChannelEntry, position: Position, timeMs: number, bytes: number): void {
  if (entry.count === 0) entry.oldestTimeMs = timeMs;
  entry.count++;
  entry.bytes += bytes;
  entry.latestPosition = entry.appendedPosition = position;
  entry.appendedTimeMs = timeMs;
}

/** Runs the first reads of the log. @throws DataFolderError when SQLite reports a damaged file */
export function wrapCorruptionErrors<Result>(files: LogFiles, run: () => Result): Result {
  return wrapFileErrors(databaseFile(files), run);
}

/**
 * Checks the first bytes of the file. Must run while the folder's lock is held and no connection is
 * open: closing the file drops the process's locks on it. A power cut while the write-ahead log is
 * moved may leave a first page of zeros. The write-ahead log has that page, so SQLite decides.
 */
function checkMagic(file: string): void {
  if (fileBytes(file) === 0) return;
  const head = Buffer.alloc(MAGIC.length);
  const descriptor = openSync(file, 'r');
  const length = readSync(descriptor, head);
  closeSync(descriptor);
  const isZeroed = fileBytes(file) >= PAGE_BYTES_MIN && head.every((byte) => byte === 0);
  if (isZeroed && fileBytes(`${file}-wal`) > 0) return;
  if (length < MAGIC.length || head.toString('latin1') !== MAGIC)
    throw damageError('it does not begin like a database');
}

/**
 * A torn file is shorter than its own count of pages, once it has everything from the write-ahead
 * log. Unlike a check of every page, this takes no longer for a large file.
 */
function checkLength(database: DatabaseSync, file: string): void {
  if (!tryFullCheckpoint(database)) return;
  const expected = pragma(database, 'page_count') * pragma(database, 'page_size');
  const found = fileBytes(file);
  if (found < expected) throw damageError(`it has ${found} bytes of ${expected}`);
}

/**
 * Moves all of the write-ahead log into the database. Returns false when that fails, for example
 * without free space.
 */
function tryFullCheckpoint(database: DatabaseSync): boolean {
  try {
    const { busy, log, checkpointed } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as {
      busy: number;
      log: number;
      checkpointed: number;
    };
    return busy === 0 && log === checkpointed;
  } catch (error) {
    if (isDamage(error)) throw error;
    return false;
  }
}
