import { join } from 'node:path';
import type { DatabaseFile } from '../database-file.ts';

/** The file's name in the data folder. */
export const SESSIONS_FILE = 'sessions.sqlite';

/** `plsj` in ASCII. */
const APPLICATION_ID = 0x706c736a;

/**
 * The steps from each schema version to the next.
 *
 * - `batch` has changes as lines of JSON (`core/session-journal/change-lines.ts`), in the order in
 *   which they happened. A row costs little more than the bytes of its lines: no index knows a
 *   single session.
 * - `segment` is a run of batches that is complete, and `shard` is its index (`change-keys.ts`).
 *   A full ring removes its oldest segment.
 * - `run` has a row for each run of a hub with the journal: its log's epoch, and when it wrote
 *   last. A session without an end whose run is over ended with its hub.
 * - `mark`: every session since that time has been recorded, and none removed.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE batch (
     id INTEGER PRIMARY KEY,
     run INTEGER NOT NULL,
     written_ms INTEGER NOT NULL,
     lines TEXT NOT NULL
   ) STRICT;
   CREATE TABLE segment (
     id INTEGER PRIMARY KEY,
     first_batch INTEGER NOT NULL,
     last_batch INTEGER NOT NULL,
     first_session INTEGER NOT NULL,
     last_session INTEGER NOT NULL,
     sessions INTEGER NOT NULL,
     first_ms INTEGER NOT NULL,
     last_ms INTEGER NOT NULL,
     oldest_second INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE shard (id INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
   CREATE TABLE run (
     id INTEGER PRIMARY KEY,
     epoch TEXT NOT NULL,
     started_ms INTEGER NOT NULL,
     seen_ms INTEGER NOT NULL,
     is_closed INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 0), complete_since_ms INTEGER NOT NULL) STRICT`,
];

/** The file of the session journal in a data folder. */
export function sessionsFile(folder: string): DatabaseFile {
  return {
    file: join(folder, SESSIONS_FILE),
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    // No commit waits for the disk. A power loss may take the last sessions back.
    pragmas:
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = ON',
    repair: '',
  };
}
