import { dataFolderFiles, lockDataFolder } from './data-folder.ts';
import { beginGeneration, openDatabase } from './open-database.ts';

/**
 * Gives the log of a closed data folder a new epoch: for one that was restored in a way it cannot notice by itself, such
 * as a snapshot of the whole disk. Every cursor given out before then gets a gap.
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
