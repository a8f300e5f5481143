// The folders of a run. All files of a run are in a git-ignored folder beside the bench, not in the
// system's temporary folder. That may be in memory, and a durable log must be measured on a disk.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const benchFolder: string = dirname(dirname(fileURLToPath(import.meta.url)));
export const repositoryFolder: string = dirname(benchFolder);
export const resultsFolder: string = join(benchFolder, 'results');
export const workFolder: string = join(benchFolder, '.work');

export function freshFolder(name: string): string {
  mkdirSync(workFolder, { recursive: true });
  return mkdtempSync(join(workFolder, `${name}-`));
}
