import type { IdentityStore } from '../core/access/identity-store.ts';
import type { StoppedHubData } from './home.ts';
import { homeOf } from './homes.ts';

/**
 * Work on the data of a hub that does not run. Example: `polycast keys create --data FOLDER` writes
 * the first key before the hub's first start.
 */

/**
 * Gives the log of a folder a new epoch.
 * @returns the new epoch
 * @throws DataFolderError, also when a hub runs in the folder
 */
export function renewFolderEpoch(folder: string): string {
  return stoppedHub(folder).renewEpoch(folder);
}

/** Opens the identity store of a folder while `work` runs. @throws DataFolderError */
export async function withIdentityStore<Result>(
  folder: string,
  auditEntriesMax: number,
  work: (store: IdentityStore) => Promise<Result>,
): Promise<Result> {
  const { store, close } = stoppedHub(folder).openIdentity(folder, auditEntriesMax);
  try {
    return await work(store);
  } finally {
    close();
  }
}

/** Removes the log of `data`, and nothing else. A log in memory has ended with its hub. */
export async function wipeLog(data: string): Promise<void> {
  await homeOf(data).stoppedHub?.wipeLog(data);
}

function stoppedHub(data: string): StoppedHubData {
  const { stoppedHub: operations } = homeOf(data);
  if (operations === undefined) throw new Error(`the data of ${data} has ended with its hub`);
  return operations;
}
