import { restoreBackup as restoreSqlite, type Restored, type RestoreOptions } from './sqlite/backup/restore-backup.ts';
import { writeBackup as writeSqlite, type BackupOptions, type BackupStage } from './sqlite/backup/write-backup.ts';
import type { BackupManifest } from './sqlite/backup/backup-format.ts';

/**
 * Backups of data folders (docs/decisions/0044-backup.md). Both run in a process of their own, and
 * need no hub.
 */
export type { BackupManifest, BackupOptions, BackupStage, Restored, RestoreOptions };

/** Makes a backup of a data folder, also while a hub runs in it. @throws DataFolderError */
export function writeBackup(options: BackupOptions): Promise<BackupManifest> {
  return writeSqlite(options);
}

/** Restores a backup into a data folder that no hub uses. @throws DataFolderError */
export function restoreBackup(options: RestoreOptions): Restored {
  return restoreSqlite(options);
}
