import { existsSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import { replaceFile, syncFolderOf } from '../atomic-file.ts';
import { logFiles, removeLog, type LogFiles } from './log-files.ts';

/** Folders in which this process began a build that failed. */
const failedFolders = new Set<string>();

/** Whether the view in a folder is being built, or was when its process ended. */
export function isBuilding({ building }: LogFiles): boolean {
  return existsSync(building);
}

/** @throws DataFolderError `inaccessible` when only a part of the view is there */
export function assertBuilt(folder: string): void {
  if (!isBuilding(logFiles(folder))) return;
  throw new DataFolderError(
    'inaccessible',
    `The view in ${folder} is not complete, because its hub applies the journal of its cluster. Start the hub, and wait until it is ready.`,
  );
}

/**
 * Begins to build a view in a folder without one. Removes what an earlier build has left there: a
 * part of a page may be missing.
 * @returns `undefined` when the folder has a view, or a build in it failed before
 */
export async function beginBuild(folder: string): Promise<ViewBuild | undefined> {
  const files = logFiles(folder);
  if (isBuilding(files)) await removeLog(folder);
  if (existsSync(files.database) || failedFolders.has(folder)) return undefined;
  try {
    replaceFile(files.building, '');
  } catch {
    // A full disk. The view then begins with a write-ahead log, and waits for room.
    return undefined;
  }
  return new ViewBuild(files);
}

/**
 * A view that begins with nothing applies the whole journal. Until it has caught up, its database
 * has no write-ahead log: each page is written once, which takes less CPU time. But a crash or a
 * failed write may leave it damaged. The journal has all of it, so the view is then built again. A
 * file beside the database, the mark, says that it may be damaged.
 *
 * Example: a hub is killed after 600,000 of 1,000,000 events. Its next start finds the mark,
 * removes the database, and begins with the first event.
 */
export class ViewBuild {
  readonly #files: LogFiles;
  #state: 'running' | 'failed' | 'ended' = 'running';
  #handle: FileHandle | undefined;
  #syncing: Promise<void> | undefined;

  constructor(files: LogFiles) {
    this.#files = files;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get hasFailed(): boolean {
    return this.#state === 'failed';
  }

  /** A write has failed, so the database may be damaged. The next build uses a write-ahead log. */
  fail(): void {
    if (!this.isRunning) return;
    this.#state = 'failed';
    failedFolders.add(this.#files.folder);
  }

  /**
   * The database has a write-ahead log from now on. Syncs it, and then removes the mark. Nobody
   * waits for that: a crash before it costs another build.
   */
  end(): void {
    if (!this.isRunning) return;
    this.#state = 'ended';
    this.#syncing = this.#sync().catch(() => undefined);
  }

  /** The database is closed. */
  async close(): Promise<void> {
    await this.#syncing;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #sync(): Promise<void> {
    const { database, building } = this.#files;
    // It stays open as long as the database: closing it would drop SQLite's locks (POSIX).
    this.#handle = await open(database, 'r+');
    await this.#handle.sync();
    await rm(building);
    syncFolderOf(building);
  }
}

/**
 * From now on, each page is written once and nothing is synced. A failed write damages the
 * database: see `ViewBuild`. @throws Error
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
