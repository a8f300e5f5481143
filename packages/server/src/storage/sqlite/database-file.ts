import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFolderError } from '../../core/data-folder-error.ts';
import { isUnusable } from './failure.ts';
import { newestVersionIn } from './folder-version.ts';
import { makePrivateFile, makePrivateFolder } from './private-files.ts';

/** A SQLite file of the hub in the data folder. */
export interface DatabaseFile {
  readonly file: string;
  /** Four letters of ASCII. Distinguishes the file from another program's. */
  readonly applicationId: number;
  /**
   * The steps from each schema version to the next. `user_version` in the file is the number of
   * steps that were applied.
   */
  readonly migrations: readonly string[];
  /** Set on each connection before the first read. */
  readonly pragmas: string;
  /** Advice for a file that cannot be used: a sentence or two. */
  readonly repair: string;
}

/**
 * Opens the file, and creates it if needed, so that only its owner can read it. Brings it to the
 * current schema. Checks it page by page, unless it is large.
 * @throws DataFolderError for a file that is damaged, foreign or too new
 */
export function openDatabaseFile(databaseFile: DatabaseFile): DatabaseSync {
  const { file } = databaseFile;
  return wrapCorruptionErrors(databaseFile, () => {
    makePrivateFolder(dirname(file));
    makePrivateFile(file);
    const database = new DatabaseSync(file, CONNECTION);
    try {
      checkFormat(database, databaseFile);
      database.exec(databaseFile.pragmas);
      migrate(database, databaseFile);
      checkIntegrity(database, databaseFile);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** Runs the first reads of the file. @throws DataFolderError when SQLite reports a damaged file */
export function wrapCorruptionErrors<Result>(databaseFile: DatabaseFile, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw error instanceof DataFolderError ? error : openingError(error, databaseFile);
  }
}

/** Opens another connection to a file that was opened before. */
export function reopenDatabaseFile({ file, pragmas }: DatabaseFile): DatabaseSync {
  const database = new DatabaseSync(file, CONNECTION);
  try {
    database.exec(pragmas);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Larger files are not checked at the start, which would take seconds. Reads find their damage. */
const QUICK_CHECK_BYTES_MAX: number = 64 * 1024 * 1024;
const CONNECTION = { timeout: 5000, enableForeignKeyConstraints: true };

function checkFormat(database: DatabaseSync, { file, applicationId, migrations, repair }: DatabaseFile): void {
  const version = pragma(database, 'user_version');
  if (isForeign(database, applicationId))
    throw new DataFolderError('corrupt', `${file} is a database, but not the expected one of Polycast. ${repair}`);
  if (version > migrations.length) throw newerFileError(file, version, migrations.length, dirname(file));
}

/** @param folder the data folder of the file */
export function newerFileError(file: string, schema: number, known: number, folder: string): DataFolderError {
  return new DataFolderError(
    'newer_schema',
    `${file} was written by a newer version of Polycast (schema ${schema}; this version knows ${known})${writerIn(folder)}. Nothing has been changed. Start that version or a later one, or restore a backup from before the update.`,
  );
}

/** The newest version that has used a data folder, if that is known. */
function writerIn(folder: string): string {
  const version = newestVersionIn(folder);
  return version === undefined ? '' : `; Polycast ${version} has used the folder`;
}

/** Whether another program has made the database. */
function isForeign(database: DatabaseSync, applicationId: number): boolean {
  const found = pragma(database, 'application_id');
  if (found === applicationId) return false;
  const { count } = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number };
  return found !== 0 || pragma(database, 'user_version') !== 0 || count > 0;
}

/** Brings an empty or older database to the current schema. Close the database if this throws. */
function migrate(database: DatabaseSync, { migrations, applicationId }: DatabaseFile): void {
  const version = pragma(database, 'user_version');
  if (version === migrations.length) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of migrations.slice(version)) database.exec(step);
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}; COMMIT`);
}

function checkIntegrity(database: DatabaseSync, databaseFile: DatabaseFile): void {
  if (pragma(database, 'page_count') * pragma(database, 'page_size') > QUICK_CHECK_BYTES_MAX) return;
  const damage = findDamage(database);
  if (damage !== undefined) throw corruptError(databaseFile, damage);
}

/** Reads every page. Returns the first damage. */
function findDamage(database: DatabaseSync): string | undefined {
  const result = String(Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})[0]);
  return result === 'ok' ? undefined : result;
}

/** Bytes of a file; 0 when there is none. */
export function fileBytes(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The value of a pragma that is a whole number. */
export function pragma(database: DatabaseSync, name: string): number {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number;
}

function openingError(error: unknown, databaseFile: DatabaseFile): DataFolderError {
  if (isUnusable(error)) return corruptError(databaseFile, (error as Error).message);
  return new DataFolderError(
    'inaccessible',
    `${databaseFile.file} cannot be used: ${(error as Error).message}. Check that this user may read and write it.`,
    { cause: error },
  );
}

function corruptError({ file, repair }: DatabaseFile, problem: string): DataFolderError {
  return new DataFolderError('corrupt', `${file} is damaged: ${problem}. ${repair}`);
}
