import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFolderError } from '../../core/data-folder-error.ts';
import { errorCodeOf } from './failure.ts';
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
const QUICK_CHECK_BYTES_MAX = 64 * 1024 * 1024;
const CONNECTION = { timeout: 5000, enableForeignKeyConstraints: true };

function checkFormat(database: DatabaseSync, { file, applicationId, migrations, repair }: DatabaseFile): void {
  const version = pragma(database, 'user_version') as number;
  const found = pragma(database, 'application_id');
  const { count } = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number };
  if (found !== applicationId && (found !== 0 || version !== 0 || count > 0))
    throw new DataFolderError('corrupt', `${file} is a database, but not the expected one of Polycast. ${repair}`);
  if (version <= migrations.length) return;
  throw new DataFolderError(
    'newer_schema',
    `${file} was written by a newer version of Polycast (schema ${version}; this version knows ${migrations.length}). Start that version or a later one.`,
  );
}

function migrate(database: DatabaseSync, { migrations, applicationId }: DatabaseFile): void {
  const version = pragma(database, 'user_version') as number;
  if (version === migrations.length) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of migrations.slice(version)) database.exec(step);
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}; COMMIT`);
}

function checkIntegrity(database: DatabaseSync, databaseFile: DatabaseFile): void {
  const bytes = (pragma(database, 'page_count') as number) * (pragma(database, 'page_size') as number);
  if (bytes > QUICK_CHECK_BYTES_MAX) return;
  const result = String(pragma(database, 'quick_check(1)'));
  if (result !== 'ok') throw corruptError(databaseFile, result);
}

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function openingError(error: unknown, databaseFile: DatabaseFile): DataFolderError {
  const code = errorCodeOf(error);
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return corruptError(databaseFile, (error as Error).message);
  return new DataFolderError('inaccessible', `${databaseFile.file} cannot be used: ${(error as Error).message}`);
}

function corruptError({ file, repair }: DatabaseFile, problem: string): DataFolderError {
  return new DataFolderError('corrupt', `${file} is damaged: ${problem}. ${repair}`);
}
