import { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';

/**
 * Moves a write-ahead log into its database, in a thread of its own. When all of it has been moved, the next commit begins the log
 * again from its start, and SQLite syncs it twice: so that commit is made here. The file is cut to what it holds then.
 */
using database = new DatabaseSync(workerData as string, { timeout: 0 });
database.exec(
  'PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 0',
);
const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as { log: number; checkpointed: number };
if (checkpoint.log === checkpoint.checkpointed) {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  database.exec(`BEGIN IMMEDIATE; PRAGMA user_version = ${version}; COMMIT`);
}
