import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readFileIfAny, replaceFile, syncFolder } from './atomic-file.ts';
import { completeRestore } from './pending-restore.ts';
import { errorCodeOf, isFull } from './failure.ts';
import { makePrivateFile, makePrivateFolder, restrictDataFolder, type ExposedPath } from './private-files.ts';
import { DataFolderError } from '../../core/data-folder-error.ts';
import type { HubAddress } from '../home.ts';

/** An empty database that is locked while the folder is open. Only SQLite may open it. */
const LOCK_FILE = 'lock.db';
/** The hub that holds the lock. Only error messages use it. */
const OWNER_FILE = 'owner.json';

export interface DataFolderLock {
  release(): void;
}

/**
 * Locks the folder for this process, and creates it if needed. Removes other users' access to it.
 * Completes a restore that was interrupted.
 *
 * The kernel holds the lock for SQLite on a file of its own. The lock ends with the process,
 * however that ends, so there is no stale lock. No other code in this process may open and close
 * that file. POSIX drops a process's locks on a file when any of its descriptors closes.
 * @param onExposed called for the folder and each file in it that other users could access
 * @throws DataFolderError `in_use`, with the id of the other process, or `inaccessible`
 */
export function lockDataFolder(
  folder: string,
  onExposed: (exposed: ExposedPath) => void = () => undefined,
): DataFolderLock {
  const owner = join(folder, OWNER_FILE);
  const lock = wrapAccessErrors(folder, () => {
    makeFolder(folder);
    restrictDataFolder(folder).forEach(onExposed);
    const file = join(folder, LOCK_FILE);
    makePrivateFile(file);
    return new DatabaseSync(file, { timeout: 0 });
  });
  try {
    // Nothing is ever written to this database, so its journal needs no file. A full disk has no
    // room for one.
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    replaceFile(owner, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }) + '\n');
  } catch (error) {
    const busy = errorCodeOf(error) === SQLITE_BUSY;
    const full = isFull(error) && lock.isTransaction;
    // A full disk must not prevent reading. The lock holds without the owner's file.
    if (full) return { release: () => lock.close() };
    lock.close();
    throw busy ? inUseError(folder, owner) : inaccessibleError(folder, error);
  }
  try {
    completeRestore(folder);
  } catch (error) {
    lock.close();
    throw inaccessibleError(folder, error);
  }
  return { release: () => lock.close() };
}

/**
 * Adds the address of the hub to the owner of a folder that this process has locked. It is only for
 * messages, so a full disk does not matter. The hub serves clients already, so nothing is synced.
 */
export function noteAddress(folder: string, hub: HubAddress): void {
  const owner = join(folder, OWNER_FILE);
  try {
    const text = readFileIfAny(owner);
    if (text !== undefined) writeFileSync(owner, JSON.stringify({ ...(JSON.parse(text) as object), ...hub }) + '\n');
  } catch {
    // The message then names the process alone.
  }
}

/** Runs the first access to the folder. @throws DataFolderError `inaccessible` */
function wrapAccessErrors<Result>(folder: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw error instanceof DataFolderError ? error : inaccessibleError(folder, error);
  }
}

/** Creates a folder and its parents, and syncs them, so that they survive a power loss. */
function makeFolder(folder: string): void {
  const first = makePrivateFolder(folder);
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let made = resolve(folder); made !== top; made = dirname(made)) syncFolder(dirname(made));
}

const SQLITE_BUSY = 5;

function inUseError(folder: string, owner: string): DataFolderError {
  const text = readFileIfAny(owner) ?? '';
  const pid = /"pid":(\d+)/.exec(text)?.[1];
  const url = /"url":"([^"]+)"/.exec(text)?.[1];
  const who =
    pid === undefined ? 'another process' : `the process ${pid}${url === undefined ? '' : `, the hub at ${url}`}`;
  return new DataFolderError(
    'in_use',
    `The data folder ${folder} is in use by ${who}. Stop that process first, or choose another data folder.`,
  );
}

function inaccessibleError(folder: string, error: unknown): DataFolderError {
  const reason = error instanceof Error ? error.message : String(error);
  return new DataFolderError(
    'inaccessible',
    `The data folder ${folder} cannot be used: ${reason}. Check that it exists or can be created, and that this user may write to it.`,
  );
}
