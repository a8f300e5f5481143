import type { DatabaseSync } from 'node:sqlite';

/**
 * From now on, each page is written once and nothing is synced. A failed write damages the
 * database: see `view-build.ts`. @throws Error
 */
export function leaveJournal(database: DatabaseSync): void {
  // Otherwise SQLite refuses to be without a journal.
  database.enableDefensive(false);
  setMode(database, 'off', 'OFF');
  database.enableDefensive(true);
}

/** The database has the journal of a view again. @throws Error */
export function returnToJournal(database: DatabaseSync): void {
  setMode(database, 'wal', 'NORMAL');
}

/** SQLite answers with another mode where it keeps that. */
function setMode(database: DatabaseSync, wanted: 'off' | 'wal', synchronous: 'OFF' | 'NORMAL'): void {
  const { journal_mode: mode } = database.prepare(`PRAGMA journal_mode = ${wanted}`).get() as { journal_mode: string };
  if (mode !== wanted) throw new Error(`the journal mode of the database is ${mode} instead of ${wanted}`);
  database.exec(`PRAGMA synchronous = ${synchronous}`);
}
