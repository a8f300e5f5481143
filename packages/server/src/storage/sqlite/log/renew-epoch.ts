import { dataFolderFiles, lockDataFolder } from './data-folder.ts';
import { beginGeneration, openDatabase } from './open-database.ts';

/**
 * Gives the log of a closed data folder a new epoch. It is for a restore that the log cannot
 * detect, such as a snapshot of the whole disk. Every older cursor gets a gap.
 * @returns the new epoch
 * @throws DataFolderError
 */
export function renewEpoch(folder: string): string {
  const files = dataFolderFiles(folder);
  const lock = lockDataFolder(files);
  try {
    using database = openDatabase(files);
    return beginGeneration(database, files, { nowMs: Date.now(), chance: Math.random(), renew: true }).epoch;
  } finally {
    lock.release();
  }
}
