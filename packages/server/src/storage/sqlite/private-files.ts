import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Only the user that runs the hub may read or change what is in a data folder. */
export const PRIVATE_FILE_MODE = 0o600;
export const PRIVATE_FOLDER_MODE = 0o700;

/** Files that a hub makes in its data folder, with those that SQLite keeps beside a database. */
const HUB_FILE_NAME =
  /^(?:log\.db|lock\.db|[a-z]+\.sqlite|owner\.json|generation\.json|(?:[a-z]+-)?committed\.json|webhooks-in-flight)(?:\.new|-wal|-shm|-journal)?$/;
const GROUP_AND_OTHERS_MODE = 0o077;
/** A folder that several users share, such as `/tmp`, is left as it is. */
const STICKY_MODE = 0o1000;

/** A folder or file that others could read, and whether that has been ended. */
export interface ExposedPath {
  readonly path: string;
  /** As `chmod` takes it: `755`. */
  readonly mode: string;
  readonly isRestricted: boolean;
}

/**
 * Makes an empty file that only its owner can read, before SQLite opens it: SQLite gives its `-wal` and `-shm` the same mode. A file
 * that is there is not opened, since closing it would drop this process's locks on it (POSIX).
 */
export function makePrivateFile(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return;
  try {
    closeSync(openSync(file, 'wx', PRIVATE_FILE_MODE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Makes a folder, and those above it. Returns the first that was made, if any. */
export function makePrivateFolder(folder: string): string | undefined {
  return mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE });
}

/** Takes away what others may do with a data folder that was there before, and with the hub's files in it. */
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
