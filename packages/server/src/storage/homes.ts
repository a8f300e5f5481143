import { dataFolderOf } from './data-folder.ts';
import type { Home } from './home.ts';
import { memoryHome } from './memory/memory-home.ts';
import { sqliteHome } from './sqlite/sqlite-home.ts';

/** All homes, by name. The contract suite of the log runs against each of them. */
export const HOMES: Readonly<Record<string, Home>> = { memory: memoryHome, sqlite: sqliteHome };

/** The home that the setting `data` chooses. */
export function homeOf(data: string): Home {
  return dataFolderOf(data) === undefined ? memoryHome : sqliteHome;
}
