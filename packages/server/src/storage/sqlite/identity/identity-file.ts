import { join } from 'node:path';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { DatabaseFile } from '../database-file.ts';

/** The file's name in the data folder. */
export const IDENTITY_FILE = 'identity.sqlite';
export const MARK_FILE = 'identity-committed.json';

/**
 * `plid` in ASCII. Hashes are useless to a thief, but names and the audit log may be useful. So
 * only the hub's own user can read the file.
 */
const APPLICATION_ID = 0x706c6964;

/**
 * The steps from each schema version to the next. Steps are only ever added: `user_version` in the
 * file is the number of steps that were applied.
 *
 * - `secret` has the SHA-256 of the secret that the key's holder has. A key in rotation has two.
 * - `revocation`: credentials of that name that were issued before `issued_before_ms` are invalid.
 *   The row is needed until `kept_until_ms`.
 * - `note` has the names of tasks that were done once for this folder.
 * - `portal_link` has the links of the portal as JSON, with the hashes of their tokens.
 * - `erasure` has the requests for an erasure that are not finished, as JSON.
 * - `committed` counts transactions: see `storage/sqlite/committed-mark.ts`.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE key (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     scopes TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     expires_ms INTEGER,
     last_used_ms INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE secret (
     key TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
     hash BLOB NOT NULL CHECK (length(hash) = 32),
     created_ms INTEGER NOT NULL,
     expires_ms INTEGER,
     PRIMARY KEY (key, hash)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE revocation (
     kind TEXT NOT NULL CHECK (kind IN ('user', 'token', 'key')),
     name TEXT NOT NULL,
     issued_before_ms INTEGER NOT NULL,
     kept_until_ms INTEGER NOT NULL,
     PRIMARY KEY (kind, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE audit (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     time_ms INTEGER NOT NULL,
     action TEXT NOT NULL,
     subject TEXT NOT NULL,
     by TEXT NOT NULL,
     detail TEXT NOT NULL
   ) STRICT;
   CREATE TABLE note (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE committed (id INTEGER PRIMARY KEY CHECK (id = 0), count INTEGER NOT NULL) STRICT;
   INSERT INTO committed VALUES (0, 0);`,
  'CREATE TABLE erasure (id TEXT PRIMARY KEY, requested_ms INTEGER NOT NULL, request TEXT NOT NULL) STRICT, WITHOUT ROWID',
  'CREATE TABLE portal_link (id TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL, link TEXT NOT NULL) STRICT, WITHOUT ROWID',
];

const REPAIR = 'Nothing has been changed. Restore a backup, or move the file away; then its keys are no longer valid.';

/** The identity file of a data folder. */
export function identityFile(folder: string): DatabaseFile {
  return {
    file: join(folder, IDENTITY_FILE),
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    pragmas: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA secure_delete = ON',
    repair: REPAIR,
  };
}

/** The error for a row that no version of Polycast writes. Another program wrote it. */
export function invalidRowError(problem: string): DataFolderError {
  return new DataFolderError('corrupt', `${IDENTITY_FILE} in the data folder contains ${problem}. ${REPAIR}`);
}
