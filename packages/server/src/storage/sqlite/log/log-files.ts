import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The paths of the log's files in a data folder. */
export interface LogFiles {
  readonly folder: string;
  /** The log's database. SQLite adds `-wal` and `-shm` files beside it. */
  readonly database: string;
  /** The database's generation, stored outside the database: see `generation-file.ts`. */
  readonly generation: string;
  /**
   * The newest committed position, stored outside the database: see
   * `storage/sqlite/committed-mark.ts`.
   */
  readonly committedMark: string;
}

export function logFiles(folder: string): LogFiles {
  return {
    folder,
    database: join(folder, 'log.db'),
    generation: join(folder, 'generation.json'),
    committedMark: join(folder, 'committed.json'),
  };
}

/** Removes the log from a data folder. All other files remain. */
export async function removeLog(folder: string): Promise<void> {
  const { database, generation } = logFiles(folder);
  for (const file of [database, `${database}-wal`, `${database}-shm`, generation]) await rm(file, { force: true });
}
