import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { syncFolderOf } from '../atomic-file.ts';
import { makePrivateFile } from '../private-files.ts';
import type { ViewState } from '../../view/log-view.ts';
import type { ViewCopies } from '../../view/view-copies.ts';
import { logFiles, removeLog } from './log-files.ts';
import { readViewState } from './view-state-table.ts';

/**
 * All pages in one step, which sees one commit.
 * Between steps SQLite would begin anew after a write.
 */
const PAGES_MAX = 2 ** 31 - 1;
const BUSY_TIMEOUT_MS = 5000;

/** Copies of the view in a data folder. A thread of SQLite copies, beside the writer. */
export function sqliteViewCopies(folder: string): ViewCopies {
  const { database } = logFiles(folder);
  const file = join(folder, 'snapshot.partial');
  const discard = async (): Promise<void> => {
    for (const each of [file, `${file}-wal`, `${file}-shm`, `${file}-journal`]) await rm(each, { force: true });
  };
  return {
    file,
    discard,
    async make(): Promise<ViewState> {
      await discard();
      makePrivateFile(file);
      const source = new DatabaseSync(database, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
      try {
        await backup(source, file, { rate: PAGES_MAX });
      } finally {
        source.close();
      }
      const copy = new DatabaseSync(file);
      try {
        // One file has all of it.
        copy.exec('PRAGMA journal_mode = DELETE');
        return readViewState(copy);
      } finally {
        copy.close();
      }
    },
    async install(): Promise<void> {
      const handle = await open(file, 'r+');
      await handle.sync().finally(() => handle.close());
      await removeLog(folder);
      await rename(file, database);
      syncFolderOf(database);
    },
  };
}
