import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import { packageVersion } from '../../../platform/package-files.ts';
import { syncFolderOf } from '../atomic-file.ts';
import { pragma } from '../database-file.ts';
import { IDENTITY_FILE } from '../identity/identity-file.ts';
import { PRESENCE_FILE } from '../presence/presence-file.ts';
import { makePrivateFile } from '../private-files.ts';
import { SESSIONS_FORMAT } from '../sessions/journal-state.ts';
import { sessionsFilesIn } from '../sessions/segment-files.ts';
import { SUBSCRIPTIONS_FILE } from '../subscriptions/schema.ts';
import { logFiles } from '../log/log-files.ts';
import { APPLICATION_ID as LOG_APPLICATION_ID, MIGRATIONS as LOG_MIGRATIONS } from '../log/schema.ts';
import {
  BACKUP_APPLICATION_ID,
  BACKUP_FORMAT,
  BACKUP_TABLES,
  digestOf,
  PART_BYTES_MAX,
  sealLine,
  type BackedUpFile,
  type BackupManifest,
} from './backup-format.ts';
import { LogCopy } from './copy-log.ts';

/** The stores with positions of the log. They are copied before the log. */
const STORES_BEFORE_LOG = [SUBSCRIPTIONS_FILE, PRESENCE_FILE];
/** The stores that events depend on. They are copied after the log. */
const STORES_AFTER_LOG = [IDENTITY_FILE];

/** The parts of the work, in their order. */
export type BackupStage = 'events' | 'state' | 'index' | 'seal';

export interface BackupOptions {
  readonly folder: string;
  /** The path of the backup. An existing file is replaced when the new one is complete. */
  readonly file: string;
  readonly onProgress?: ((stage: BackupStage, fraction: number) => void) | undefined;
}

/**
 * Makes a backup of a data folder, whether a hub runs in it or not. It only reads the folder. The
 * file appears under its name when it is complete and on the disk.
 *
 * The order of the copies is the order in which the stores depend on each other. Subscriptions and
 * presence and sessions have positions of the log, so they are copied before it: no position is
 * after its end. Identity is copied last: a key or revocation that an event depends on is
 * never missing.
 * @throws DataFolderError
 */
export async function writeBackup(options: BackupOptions): Promise<BackupManifest> {
  const { file } = options;
  removeLeftovers(file);
  const partial = `${file}.${process.pid}.partial`;
  try {
    const manifest = await write(options, partial);
    options.onProgress?.('seal', 0);
    seal(partial);
    renameSync(partial, file);
    syncFolderOf(file);
    return manifest;
  } finally {
    for (const leftover of [partial, `${partial}.store`]) rmSync(leftover, { force: true });
  }
}

async function write(
  { folder, onProgress = () => undefined }: BackupOptions,
  partial: string,
): Promise<BackupManifest> {
  const { database: log } = logFiles(folder);
  if (!existsSync(log))
    throw new DataFolderError('inaccessible', `There is no data of a hub in ${folder}: ${log} does not exist.`);
  rmSync(partial, { force: true });
  makePrivateFile(partial);
  const descriptor = openSync(partial, 'r+');
  const copy = new DatabaseSync(partial, { timeout: BUSY_TIMEOUT_MS });
  try {
    const schema = attachLog(copy, log);
    const logCopy = new LogCopy(copy, pause, () => fdatasyncSync(descriptor));
    logCopy.createTables();
    await logCopy.copyEvents((fraction) => onProgress('events', fraction));
    onProgress('state', 0);
    const moment = new Date().toISOString();
    copy.exec(BACKUP_TABLES);
    const files = STORES_BEFORE_LOG.flatMap((name) => copyStore(copy, join(folder, name), name, `${partial}.store`));
    files.push(...copySessions(copy, folder));
    logCopy.copyRest();
    files.push(...STORES_AFTER_LOG.flatMap((name) => copyStore(copy, join(folder, name), name, `${partial}.store`)));
    copy.exec('DETACH source');
    onProgress('index', 0);
    const summary = { schema, ...logCopy.finish() };
    const manifest = { format: BACKUP_FORMAT, version: packageVersion(), moment, log: summary, files };
    copy.prepare('INSERT INTO backup_manifest VALUES (?)').run(JSON.stringify(manifest));
    copy.exec(`PRAGMA application_id = ${BACKUP_APPLICATION_ID}; PRAGMA user_version = ${schema}`);
    return manifest;
  } finally {
    copy.close();
    closeSync(descriptor);
  }
}

/** Removes the files of backups with this name whose process was killed. */
function removeLeftovers(file: string): void {
  const folder = dirname(file);
  const prefix = `${basename(file)}.`;
  for (const name of readdirSync(folder)) {
    const pid = name.startsWith(prefix) ? /^(\d+)\.partial(?:\.|-|$)/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(folder, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Attaches the log for reading. Returns its schema version. */
function attachLog(copy: DatabaseSync, log: string): number {
  // A failed backup is thrown away, so its journal needs no file. Node.js does not allow OFF.
  copy.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384');
  copy.prepare('ATTACH ? AS source').run(`${pathToFileURL(log).href}?mode=ro`);
  const schema = pragma(copy, 'source.user_version');
  if (copy.prepare("SELECT 1 FROM source.sqlite_master WHERE name = 'journal_view'").get() !== undefined)
    throw new DataFolderError(
      'inaccessible',
      'The data folder belongs to a hub of a cluster, whose events are in the journal of the brokers: back up the stream there.',
    );
  if (pragma(copy, 'source.application_id') !== LOG_APPLICATION_ID)
    throw new DataFolderError('corrupt', `${log} is not the log of a hub.`);
  if (schema > LOG_MIGRATIONS.length)
    throw new DataFolderError(
      'newer_schema',
      `${log} was written by a newer version of Polycast (schema ${schema}; this version knows ${LOG_MIGRATIONS.length}). Use the command of that version.`,
    );
  return schema;
}

/**
 * Copies a small store into the backup, in one snapshot. A store that does not exist has no copy.
 */
function copyStore(copy: DatabaseSync, file: string, name: string, temporary: string): readonly BackedUpFile[] {
  if (!existsSync(file)) return [];
  rmSync(temporary, { force: true });
  makePrivateFile(temporary);
  const store = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  let schema: number;
  try {
    schema = pragma(store, 'user_version');
    store.prepare('VACUUM INTO ?').run(temporary);
  } finally {
    store.close();
  }
  return [copyBytes(copy, name, schema, readFileSync(temporary))];
}

/**
 * Copies the session journal, which a hub may write meanwhile. Each of its files is usable as it is
 * at any moment, also without the others.
 */
function copySessions(copy: DatabaseSync, folder: string): readonly BackedUpFile[] {
  return sessionsFilesIn(folder).flatMap((name) => {
    const bytes = bytesIfAny(join(folder, name));
    return bytes === undefined ? [] : [copyBytes(copy, name, SESSIONS_FORMAT, bytes)];
  });
}

/** `undefined`: the hub has removed the file. */
function bytesIfAny(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function copyBytes(copy: DatabaseSync, name: string, schema: number, bytes: Buffer): BackedUpFile {
  const insert = copy.prepare('INSERT INTO backup_part VALUES (?, ?, ?)');
  for (let at = 0, part = 0; at < bytes.length; at += PART_BYTES_MAX, part++)
    insert.run(name, part, bytes.subarray(at, at + PART_BYTES_MAX));
  return { name, schema, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Ends the file with its seal, and waits until it is on the disk. */
function seal(file: string): void {
  const { size } = statSync(file);
  const descriptor = openSync(file, 'r+');
  try {
    const sha256 = digestOf(descriptor, size);
    writeSync(descriptor, sealLine({ bytes: size, sha256 }), size);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The time to wait for a lock, such as that of a log which is just being opened. */
const BUSY_TIMEOUT_MS = 5000;
