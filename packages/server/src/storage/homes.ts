import { homeNameOf, type HomeName } from './data-setting.ts';
import type { Home } from './home.ts';
import { memoryHome } from './memory/memory-home.ts';
import { sqliteHome } from './sqlite/sqlite-home.ts';

const homes: Readonly<Record<HomeName, Home>> = { memory: memoryHome, sqlite: sqliteHome };

/**
 * All homes, by name. The contract suite of the log runs against each of them. A further one is a
 * folder beside this file, a line here, and its place in `data-setting.ts`.
 *
 * `cluster/` and `processes/` are no homes. `cluster/` puts a log, an identity and subscriptions
 * that hubs share in the place of a home's own, over the home's views. `processes/` puts the log of
 * another process there.
 */
export const HOMES: Readonly<Record<string, Home>> = homes;

/** The home that the setting `data` chooses. */
export function homeOf(data: string): Home {
  return homes[homeNameOf(data)];
}
