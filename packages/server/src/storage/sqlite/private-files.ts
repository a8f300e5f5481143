import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Only the user that runs the hub may read or change the files of a data folder. */
export const PRIVATE_FILE_MODE = 0o600;
export const PRIVATE_FOLDER_MODE = 0o700;

/** Files that a hub creates in its data folder, and those that SQLite adds beside a database. */
const HUB_FILE_NAME =
  /^(?:log\.db|lock\.db|[a-z]+\.sqlite|owner\.json|generation\.json|version\.json|(?:[a-z]+-)?committed\.json|webhooks-in-flight|console\.key|status-history\.bin|sessions)(?:\.new|-wal|-shm|-journal|-building)?$/;
const GROUP_AND_OTHERS_MODE = 0o077;
/** A folder that several users share, such as `/tmp`, is not changed. */
const STICKY_MODE = 0o1000;

/** A folder or file that other users could read, and whether their access was removed. */
export interface ExposedPath {
  readonly path: string;
  /** The mode that was found, in the notation of `chmod`: `755`. */
  readonly mode: string;
  readonly isRestricted: boolean;
}

/**
 * Creates an empty file that only its owner can read, before SQLite opens it. SQLite gives its
 * `-wal` and `-shm` files the same mode. An existing file is not opened: closing it would drop this
 * process's locks on it (POSIX).
 */
export function makePrivateFile(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return;
  try {
    closeSync(openSync(file, 'wx', PRIVATE_FILE_MODE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Creates a folder and its parents. Returns the first folder that was created, if any. */
export function makePrivateFolder(folder: string): string | undefined {
  return mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE });
}

/**
 * Removes other users' access to an existing data folder, and to the hub's files in it. Returns the
 * paths that were exposed.
 */
export function restrictDataFolder(folder: string): readonly ExposedPath[] {
  if (process.platform === 'win32' || statSync(folder, { throwIfNoEntry: false }) === undefined) return [];
  const files = readdirSync(folder).filter((name) => HUB_FILE_NAME.test(name));
  return [folder, ...files.map((name) => join(folder, name))].flatMap(restrictPath);
}

function restrictPath(path: string): readonly ExposedPath[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || (found.mode & GROUP_AND_OTHERS_MODE) === 0 || (found.mode & STICKY_MODE) !== 0) return [];
  const mode = (found.mode & 0o7777).toString(8);
  try {
    chmodSync(path, found.mode & 0o7777 & ~GROUP_AND_OTHERS_MODE);
    return [{ path, mode, isRestricted: true }];
  } catch {
    return [{ path, mode, isRestricted: false }];
  }
}
