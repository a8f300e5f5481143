import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { ClusterInspection, InspectedHub } from './cluster/cluster-inspection.ts';
import type { ClusterSettings } from './home.ts';
import { logFiles } from './sqlite/log/log-files.ts';
import { isBuilding } from './sqlite/log/view-build.ts';
import { readViewState } from './sqlite/log/view-state-table.ts';
import type { BlockAddress } from './view/block.ts';

/** Looks at a cluster from outside `storage`, without a hub. */
export type { ClusterInspection, InspectedHub };

/** Loads the client of the brokers. @throws the error of the connection */
export async function inspectCluster(settings: ClusterSettings, applied?: BlockAddress): Promise<ClusterInspection> {
  const cluster = await import('./cluster/cluster-inspection.ts');
  return cluster.inspectCluster(settings, applied);
}

/** What a data folder has: nothing, a log of its own, or the view of a cluster. */
export type FolderRole =
  | { readonly role: 'empty' }
  | { readonly role: 'log' }
  | { readonly role: 'view'; readonly applied: BlockAddress };

/** Only reads, so a hub may run in the folder. @throws the error of SQLite for a damaged file */
export function readFolderRole(folder: string): FolderRole {
  const files = logFiles(folder);
  const { database: file } = files;
  // A hub that was killed while it built a view begins anew.
  if (!existsSync(file) || isBuilding(files)) return { role: 'empty' };
  const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    const isView = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'journal_view'").get() !== undefined;
    if (!isView) return { role: 'log' };
    const { sequence, id } = readViewState(database);
    return { role: 'view', applied: { sequence, id } };
  } finally {
    database.close();
  }
}

const BUSY_TIMEOUT_MS = 5000;
