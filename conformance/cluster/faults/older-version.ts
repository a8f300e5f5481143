import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { HubVersion } from './faulty-cluster.ts';

const SOURCES = join(import.meta.dirname, '../../../packages/server/src');

/**
 * This version without the blocks that later feature levels brought (`FEATURE_LEVEL`). It stops at
 * them as an earlier version does, and writes none.
 */
export function versionOfLevel(level: 2 | 3): HubVersion {
  const preload = pathToFileURL(join(import.meta.dirname, `older-version-preload.ts`));
  return { command: join(SOURCES, 'cli/polycast.ts'), nodeOptions: `--import=${preload.href}?level=${level}` };
}
