import { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';

/**
 * Moves a write-ahead log into its database, in a thread of its own. After a complete move, the
 * next commit restarts the write-ahead log at its beginning, and SQLite syncs it twice. So this
 * thread makes that commit. SQLite then cuts the file to its content (`journal_size_limit = 0`).
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
