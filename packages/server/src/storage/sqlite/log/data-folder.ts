import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorCodeOf, isFull } from '../failure.ts';
import { makePrivateFile, makePrivateFolder, restrictDataFolder, PRIVATE_FILE_MODE } from '../private-files.ts';
import { DataFolderError } from '../../shared/errors.ts';

/** What lies in a data folder. */
export interface DataFolderFiles {
  readonly folder: string;
  /** The database: the log itself. Beside it SQLite keeps `-wal` and `-shm`. */
  readonly database: string;
  /** An empty database that is locked while the folder is open; only SQLite may open it (see `lockFolder`). */
  readonly lock: string;
  /** Who holds the lock: only to be able to name it. */
  readonly owner: string;
  /** The database's generation, as a second witness: see `witness.ts`. */
  readonly generation: string;
  /** How far it was committed: see `storage/sqlite/committed-mark.ts`. */
  readonly committedMark: string;
}

export function dataFolderFiles(folder: string): DataFolderFiles {
  return {
    folder,
    database: join(folder, 'log.db'),
    lock: join(folder, 'lock.db'),
    owner: join(folder, 'owner.json'),
    generation: join(folder, 'generation.json'),
    committedMark: join(folder, 'committed.json'),
  };
}

export interface DataFolderLock {
  release(): void;
}

/**
 * Takes the folder for this process, and makes it if need be.
 *
 * The lock is one that the kernel holds for SQLite on a file of its own, so it goes with the process, however that ends,
 * and there is no stale one to tell from a live one. Nobody else may open and close that file in this process: POSIX
 * drops a process's locks on a file with any of its descriptors.
 * @throws DataFolderError `in_use`, naming the other process, or `inaccessible`
 */
export function lockDataFolder(files: DataFolderFiles): DataFolderLock {
  const lock = wrapAccessErrors(files.folder, () => {
    makeFolder(files.folder);
    restrictDataFolder(files.folder);
    makePrivateFile(files.lock);
    return new DatabaseSync(files.lock, { timeout: 0 });
  });
  try {
    // Nothing is ever written to it, so its journal needs no file: a full disk takes none.
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    replaceFile(files.owner, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }) + '\n');
  } catch (error) {
    const busy = errorCodeOf(error) === SQLITE_BUSY;
    const full = isFull(error) && lock.isTransaction;
    // A full disk must not keep the log from being read: the lock holds without the name of its owner.
    if (full) return { release: () => lock.close() };
    lock.close();
    throw busy ? inUseError(files) : inaccessibleError(files.folder, error);
  }
  return { release: () => lock.close() };
}

/** Runs what touches the folder for the first time. @throws DataFolderError `inaccessible` */
export function wrapAccessErrors<Result>(folder: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw error instanceof DataFolderError ? error : inaccessibleError(folder, error);
  }
}

/** Writes a small file so that after a crash it holds either the old text or the new, and the new one from here on. */
export function replaceFile(file: string, text: string): void {
  const temporary = file + '.new';
  const descriptor = openSync(temporary, 'w', PRIVATE_FILE_MODE);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  syncFolder(dirname(file));
}

/** Makes a folder, and those above it, so that they are there after a power loss as well. */
function makeFolder(folder: string): void {
  const first = makePrivateFolder(folder);
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let made = resolve(folder); made !== top; made = dirname(made)) syncFolder(dirname(made));
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return; // Has no such thing, and needs none.
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The text of a small file; undefined when there is none. */
export function readFileIfAny(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Bytes of a file; 0 when there is none. */
export function fileBytes(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

const SQLITE_BUSY = 5;

function inUseError({ folder, owner }: DataFolderFiles): DataFolderError {
  const pid = /"pid":(\d+)/.exec(readFileIfAny(owner) ?? '')?.[1];
  const who = pid === undefined ? 'another process' : `the process ${pid}`;
  return new DataFolderError(
    'in_use',
    `The data folder ${folder} is in use by ${who}. Stop that one first, or choose another data folder.`,
  );
}

function inaccessibleError(folder: string, error: unknown): DataFolderError {
  const reason = error instanceof Error ? error.message : String(error);
  return new DataFolderError(
    'inaccessible',
    `The data folder ${folder} cannot be used: ${reason}. Check that it exists or can be made, and that this user may write there.`,
  );
}
