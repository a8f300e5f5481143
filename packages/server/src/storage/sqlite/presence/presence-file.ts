import { join } from 'node:path';
import type { DatabaseFile } from '../database-file.ts';

/** The file's name in the data folder. */
export const PRESENCE_FILE = 'presence.sqlite';
/** The steps from each schema version to the next. */
const MIGRATIONS = [
  `
  CREATE TABLE member (
    channel TEXT NOT NULL,
    user TEXT NOT NULL,
    info TEXT,
    sessions INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, user)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE counts (
    channel TEXT PRIMARY KEY,
    users INTEGER NOT NULL,
    anonymous INTEGER NOT NULL,
    listed INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE online (user TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE occupied (channel TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE mark (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL,
    users_sequence INTEGER NOT NULL,
    channels_sequence INTEGER NOT NULL
  ) STRICT`,
];

/** The file of presence in a data folder. */
export function presenceFile(folder: string): DatabaseFile {
  return {
    file: join(folder, PRESENCE_FILE),
    // Its files never had an id.
    applicationId: 0,
    migrations: MIGRATIONS,
    // No commit waits for the disk. A power loss may take commits back, but the log still has their
    // events. Rows of users who left are overwritten: see `eraseRemoved`.
    pragmas:
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = ON',
    repair: '',
  };
}
