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
  /** Only while the view of a cluster is built: see `view-build.ts`. */
  readonly building: string;
}

export function logFiles(folder: string): LogFiles {
  return {
    folder,
    database: join(folder, 'log.db'),
    generation: join(folder, 'generation.json'),
    committedMark: join(folder, 'committed.json'),
    building: join(folder, 'log.db-building'),
  };
}

/** Removes the log from a data folder. All other files remain. */
export async function removeLog(folder: string): Promise<void> {
  const { database, generation, building } = logFiles(folder);
  // The mark of a build is last: it says that the database may be damaged.
  for (const file of [database, `${database}-wal`, `${database}-shm`, generation, building])
    await rm(file, { force: true });
}
