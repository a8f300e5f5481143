import type { StoppedHubData } from '../home.ts';
import { lockDataFolder } from './data-folder.ts';
import { openIdentityStore } from './identity/sqlite-identity-store.ts';
import { logFiles, removeLog } from './log/log-files.ts';
import { renewEpoch } from './log/open-database.ts';

/** Work on a folder in which no hub runs. */
export const stoppedHubFolder: StoppedHubData = {
  renewEpoch(folder) {
    const lock = lockDataFolder(folder);
    try {
      return renewEpoch(logFiles(folder));
    } finally {
      lock.release();
    }
  },

  openIdentity(folder, auditEntriesMax) {
    const lock = lockDataFolder(folder);
    try {
      const store = openIdentityStore({ folder, auditEntriesMax, logger: { error: () => undefined } });
      const close = (): void => {
        try {
          store.close();
        } finally {
          lock.release();
        }
      };
      return { store, close };
    } catch (error) {
      lock.release();
      throw error;
    }
  },

  wipeLog: (folder) => removeLog(folder),
};
