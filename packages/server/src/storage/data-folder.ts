import type { IdentityStore } from '../core/access/identity-store.ts';
import { lockDataFolder } from './sqlite/data-folder.ts';
import { openIdentityStore } from './sqlite/identity/sqlite-identity-store.ts';
import { logFiles, removeLog } from './sqlite/log/log-files.ts';
import { renewEpoch } from './sqlite/log/open-database.ts';
import { prepareThread } from './sqlite/thread.ts';

/**
 * Work on the data of a hub that does not run. Example: `polycast keys create --data FOLDER` writes
 * the first key before the hub's first start.
 */

/** The folder that the setting `data` names; `undefined` for `:memory:`. */
export function dataFolderOf(data: string): string | undefined {
  return data === ':memory:' ? undefined : data;
}

/** Starts the thread that opens the log of `data`. Call it before the hub's modules are loaded. */
export function prepareStorage(data: string): void {
  if (dataFolderOf(data) !== undefined) prepareThread('log-writer');
}

/**
 * Gives the log of a folder a new epoch.
 * @returns the new epoch
 * @throws DataFolderError, also when a hub runs in the folder
 */
export function renewFolderEpoch(folder: string): string {
  const lock = lockDataFolder(folder);
  try {
    return renewEpoch(logFiles(folder));
  } finally {
    lock.release();
  }
}

/** Opens the identity store of a folder while `work` runs. @throws DataFolderError */
export async function withIdentityStore<Result>(
  folder: string,
  auditEntriesMax: number,
  work: (store: IdentityStore) => Promise<Result>,
): Promise<Result> {
  const lock = lockDataFolder(folder);
  try {
    const store = openIdentityStore({ folder, auditEntriesMax, logger: { error: () => undefined } });
    try {
      return await work(store);
    } finally {
      store.close();
    }
  } finally {
    lock.release();
  }
}

/** Removes the log of `data`, and nothing else. A log in memory has ended with its hub. */
export async function wipeLog(data: string): Promise<void> {
  const folder = dataFolderOf(data);
  if (folder !== undefined) await removeLog(folder);
}
