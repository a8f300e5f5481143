import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile, syncFolder } from './atomic-file.ts';
import { PRIVATE_FOLDER_MODE } from './private-files.ts';

/**
 * A restore replaces several files of a data folder, and its process may be killed between two of
 * them. So it prepares all files in the folder `restore`, then writes the list `restore/ready`, and
 * then moves the files. Whoever locks the data folder next completes a restore that has its list. A
 * restore without the list has not begun: the data folder is as it was.
 */
const STAGING_FOLDER = 'restore';
const LIST = 'ready.json';

/**
 * The files and folders of a data folder that a restore replaces.
 * It removes those that the backup does not have.
 */
const REPLACED = [
  'log.db',
  'generation.json',
  'subscriptions.sqlite',
  'identity.sqlite',
  'presence.sqlite',
  'sessions',
] as const;
/** Files that describe the replaced data. */
const REMOVED = [
  'log.db-building',
  'committed.json',
  'identity-committed.json',
  'subscriptions-committed.json',
  'webhooks-in-flight',
];

/** Creates an empty folder for the files of a restore. Returns its path. */
export function createStaging(folder: string): string {
  const staging = join(folder, STAGING_FOLDER);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { mode: PRIVATE_FOLDER_MODE });
  return staging;
}

/** Removes the files of a restore that has not begun. */
export function removeStaging(folder: string): void {
  rmSync(join(folder, STAGING_FOLDER), { recursive: true, force: true });
}

/** Begins the restore: from here on it will be completed. All files must be on the disk. */
export function commitStaging(folder: string): void {
  const staging = join(folder, STAGING_FOLDER);
  const names = REPLACED.filter((name) => existsSync(join(staging, name)));
  syncFolder(staging);
  replaceFile(join(staging, LIST), JSON.stringify(names));
  syncFolder(folder);
}

/**
 * Completes a restore that has begun, and does nothing without one. The caller holds the folder's
 * lock, and no file of the folder is open.
 */
export function completeRestore(folder: string): void {
  const staging = join(folder, STAGING_FOLDER);
  const list = join(staging, LIST);
  if (!existsSync(list)) return;
  const names = new Set(JSON.parse(readFileSync(list, 'utf8')) as readonly string[]);
  for (const name of REMOVED) rmSync(join(folder, name), { force: true });
  for (const name of REPLACED) {
    // A write-ahead log of the replaced database must not be applied to the new one.
    for (const suffix of ['-wal', '-shm', '-journal']) rmSync(join(folder, name + suffix), { force: true });
    const prepared = join(staging, name);
    const replaced = join(folder, name);
    if (existsSync(prepared)) {
      // The session journal is a folder, which no other one replaces by its renaming.
      if (existsSync(replaced) && statSync(replaced).isDirectory()) rmSync(replaced, { recursive: true });
      renameSync(prepared, replaced);
    } else if (!names.has(name)) rmSync(replaced, { recursive: true, force: true });
  }
  syncFolder(folder);
  rmSync(staging, { recursive: true });
  syncFolder(folder);
}

/** Whether a data folder has data that a restore would replace. */
export function hasData(folder: string): boolean {
  return REPLACED.some((name) => existsSync(join(folder, name)));
}
