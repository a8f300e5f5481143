import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import { syncFolder } from '../atomic-file.ts';
import { lockDataFolder } from '../data-folder.ts';
import { openDatabaseFile } from '../database-file.ts';
import { identityFile } from '../identity/identity-file.ts';
import { logFiles } from '../log/log-files.ts';
import { renewEpoch } from '../log/open-database.ts';
import { APPLICATION_ID as LOG_APPLICATION_ID, MIGRATIONS as LOG_MIGRATIONS } from '../log/schema.ts';
import { PRESENCE_FILE, presenceFile } from '../presence/presence-file.ts';
import { SESSIONS_FORMAT } from '../sessions/journal-state.ts';
import { isSessionsFile, SESSIONS_FOLDER } from '../sessions/segment-files.ts';
import { makePrivateFolder, PRIVATE_FILE_MODE } from '../private-files.ts';
import { subscriptionsFile, SUBSCRIPTIONS_FILE } from '../subscriptions/schema.ts';
import { BACKUP_APPLICATION_ID, digestOf, notABackup, readSeal, type BackupManifest } from './backup-format.ts';
import { commitStaging, completeRestore, createStaging, hasData, removeStaging } from '../pending-restore.ts';

export interface RestoreOptions {
  readonly file: string;
  readonly folder: string;
  /** Replace the data of the folder. */
  readonly overwrite: boolean;
  /** Pause all webhooks that are active. */
  readonly pauseWebhooks: boolean;
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

export interface Restored {
  readonly manifest: BackupManifest;
  /** The new epoch of the log. */
  readonly epoch: string;
  readonly webhooksPaused: number;
}

/**
 * Restores a backup into a data folder that no hub uses. The folder is unchanged until all files
 * are complete, checked and on the disk.
 *
 * The log gets a new epoch: after the backup its hub has given the following positions to events
 * that are lost now. Subscriptions, leases and dead letters continue at their positions in the new
 * epoch, because the backup has their events. Each subscription receives the gap `epoch` first.
 * @throws DataFolderError
 */
export function restoreBackup({ file, folder, overwrite, pauseWebhooks, onProgress }: RestoreOptions): Restored {
  readSeal(file);
  const lock = lockDataFolder(folder);
  try {
    if (!overwrite && hasData(folder))
      throw new DataFolderError(
        'not_empty',
        `The data folder ${folder} has data. Restore into another folder, or replace all its data with --overwrite.`,
      );
    const staging = createStaging(folder);
    try {
      const log = logFiles(staging);
      copyVerified(file, log.database, onProgress);
      const manifest = unpack(file, staging, log.database);
      const epoch = renewEpoch(log);
      const webhooksPaused = continueSubscriptions(staging, manifest, epoch, pauseWebhooks);
      continuePresence(staging, manifest, epoch);
      syncFiles(staging, manifest);
      commitStaging(folder);
      completeRestore(folder);
      return { manifest, epoch, webhooksPaused };
    } catch (error) {
      removeStaging(folder);
      throw error;
    }
  } finally {
    lock.release();
  }
}

/** Copies the database of a backup, and compares it with its seal. */
function copyVerified(file: string, copy: string, onProgress: (fraction: number) => void = () => undefined): void {
  const { bytes, sha256 } = readSeal(file);
  const from = openSync(file, 'r');
  const to = openSync(copy, 'wx', PRIVATE_FILE_MODE);
  try {
    let written = 0;
    const found = digestOf(from, bytes, (chunk) => {
      writeSync(to, chunk);
      written += chunk.length;
      onProgress(written / bytes);
    });
    if (found !== sha256) throw notABackup(file, 'its content differs from its checksum');
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

/** Makes the files of a data folder from the database of a backup, which becomes the log. */
function unpack(file: string, staging: string, database: string): BackupManifest {
  const log = new DatabaseSync(database);
  try {
    const { id } = log.prepare('SELECT application_id AS id FROM pragma_application_id').get() as { id: number };
    if (id !== BACKUP_APPLICATION_ID) throw notABackup(file, 'it is another database');
    const { json } = log.prepare('SELECT json FROM backup_manifest').get() as { json: string };
    const manifest = JSON.parse(json) as BackupManifest;
    checkVersions(file, manifest);
    if (hasSessions(manifest)) makePrivateFolder(join(staging, SESSIONS_FOLDER));
    for (const { name, sha256 } of manifest.files) {
      const hash = createHash('sha256');
      const descriptor = openSync(join(staging, name), 'wx', PRIVATE_FILE_MODE);
      try {
        const parts = log.prepare('SELECT bytes FROM backup_part WHERE name = ? ORDER BY part');
        for (const { bytes } of parts.iterate(name) as Iterable<{ bytes: Uint8Array }>) {
          hash.update(bytes);
          writeSync(descriptor, bytes);
        }
      } finally {
        closeSync(descriptor);
      }
      if (hash.digest('hex') !== sha256) throw notABackup(file, `${name} in it differs from its checksum`);
    }
    log.exec('PRAGMA journal_mode = MEMORY; DROP TABLE backup_part; DROP TABLE backup_manifest');
    log.exec(`PRAGMA application_id = ${LOG_APPLICATION_ID}`);
    return manifest;
  } finally {
    log.close();
  }
}

/** Refuses data that only a newer version can read. */
function checkVersions(file: string, { version, log, files }: BackupManifest): void {
  const known: Readonly<Record<string, number>> = {
    'log.db': LOG_MIGRATIONS.length,
    [SUBSCRIPTIONS_FILE]: subscriptionsFile('').migrations.length,
    'identity.sqlite': identityFile('').migrations.length,
    [PRESENCE_FILE]: presenceFile('').migrations.length,
    // The journal of builds before the first release. It is left out.
    'sessions.sqlite': 1,
  };
  for (const { name, schema } of [{ name: 'log.db', schema: log.schema }, ...files]) {
    const newest = known[name] ?? (isSessionsFile(name) ? SESSIONS_FORMAT : 0);
    if (schema <= newest) continue;
    throw new DataFolderError(
      'newer_schema',
      `${file} was made by Polycast ${version}: its ${name} has schema ${schema}, and this version knows ${newest === 0 ? 'no such file' : newest}. Use that version or a later one. Nothing has been changed.`,
    );
  }
}

/**
 * Moves subscriptions to the new epoch, with everything that names events of the backup. Returns
 * the number of webhooks that it paused.
 */
function continueSubscriptions(
  staging: string,
  { files, log }: BackupManifest,
  epoch: string,
  pauseWebhooks: boolean,
): number {
  if (!files.some(({ name }) => name === SUBSCRIPTIONS_FILE)) return 0;
  using database = openDatabaseFile(subscriptionsFile(staging));
  database.exec('BEGIN');
  const moved = database.prepare('UPDATE state SET epoch = ? WHERE epoch = ?').run(epoch, log.epoch);
  // Subscriptions of an earlier epoch are moved by the hub's next start, as after any new epoch.
  if (Number(moved.changes) > 0) {
    // Their gap is reported first, and then the events that were not delivered at the backup.
    database
      .prepare("UPDATE standing SET lost_epoch = ?, lost_after = cursor WHERE lost_epoch IS NULL AND state != 'ended'")
      .run(log.epoch);
    for (const table of ['dead_letter', 'attempt'])
      database.prepare(`UPDATE ${table} SET epoch = ? WHERE epoch = ?`).run(epoch, log.epoch);
  }
  const paused = pauseWebhooks ? database.prepare(PAUSE_WEBHOOKS).run(Date.now()) : { changes: 0 };
  database.exec('COMMIT');
  return Number(paused.changes);
}

const PAUSE_WEBHOOKS = `UPDATE standing SET state = 'paused', reason = 'paused', since_ms = ? WHERE state = 'active' AND subscription IN
  (SELECT id FROM definition WHERE json_extract(definition, '$.delivery.kind') = 'webhook')`;

/** The stored presence belongs to positions of the log, which the new epoch continues. */
function continuePresence(staging: string, { files, log }: BackupManifest, epoch: string): void {
  if (!files.some(({ name }) => name === PRESENCE_FILE)) return;
  using database = openDatabaseFile(presenceFile(staging));
  database.prepare('UPDATE mark SET epoch = ? WHERE epoch = ?').run(epoch, log.epoch);
}

function hasSessions({ files }: BackupManifest): boolean {
  return files.some(({ name }) => isSessionsFile(name));
}

function syncFiles(staging: string, manifest: BackupManifest): void {
  if (hasSessions(manifest)) syncFolder(join(staging, SESSIONS_FOLDER));
  for (const name of ['log.db', ...manifest.files.map((file) => file.name)]) {
    const descriptor = openSync(join(staging, name), 'r+');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}
