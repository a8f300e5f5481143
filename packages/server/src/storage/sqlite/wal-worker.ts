import { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';
import type { WalTask } from './background-sync.ts';

/**
 * Moves a write-ahead log into its database, in a thread of its own. After a complete move, the
 * next commit restarts the write-ahead log at its beginning, and SQLite syncs it twice. So this
 * thread makes that commit. SQLite then cuts the file to its content (`journal_size_limit = 0`).
 */
const { file, task } = workerData as WalTask;
using database = new DatabaseSync(file, { timeout: 0 });
database.exec(
  'PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 0',
);
if (task === 'rewrite') rewrite();
else moveWal();

function moveWal(): void {
  const { log, checkpointed } = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as {
    log: number;
    checkpointed: number;
  };
  if (log !== checkpointed) return;
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  database.exec(`BEGIN IMMEDIATE; PRAGMA user_version = ${version}; COMMIT`);
}

/** Also empties the write-ahead log, which has the deleted rows. */
function rewrite(): void {
  database.exec('VACUUM');
  const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
  if (busy !== 0) throw new Error(`the write-ahead log of ${file} is in use`);
}
