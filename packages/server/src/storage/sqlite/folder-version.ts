import { join } from 'node:path';
import { packageVersion } from '../../platform/package-files.ts';
import { readFileIfAny, replaceFile } from './atomic-file.ts';

/**
 * The newest version of Polycast that has used a data folder: `{"version":"0.4.0"}`. An older
 * version that refuses the folder names it. The schema of each file decides, not this file.
 */
const VERSION_FILE = 'version.json';

/** The newest version that has used a folder. Undefined when it is not known. */
export function newestVersionIn(folder: string): string | undefined {
  return /^\{"version":"([0-9A-Za-z.+-]+)"\}\n$/.exec(readFileIfAny(join(folder, VERSION_FILE)) ?? '')?.[1];
}

/** Records this version, unless a newer one has used the folder. A full disk does not matter. */
export function recordVersion(folder: string): void {
  const version = packageVersion();
  const newest = newestVersionIn(folder);
  if (newest !== undefined && !isNewer(version, newest)) return;
  try {
    replaceFile(join(folder, VERSION_FILE), `${JSON.stringify({ version })}\n`);
  } catch {
    // Only messages use it.
  }
}

/**
 * Compares `MAJOR.MINOR.PATCH`. A version before a release, such as `1.0.0-beta.1`, counts as it.
 */
function isNewer(version: string, other: string): boolean {
  const [one, two] = [version, other].map((text) => text.split(/[-+]/, 1)[0]?.split('.').map(Number) ?? []);
  for (let index = 0; index < 3; index++) {
    const difference = (one?.[index] ?? 0) - (two?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
