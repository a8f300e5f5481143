import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Where the files of the package `polycast` are. In the repository the code runs from the folders
 * of `src/`. `npm run build` makes the published package in `packages/server/dist`:
 *
 *     package.json README.md LICENSE
 *     lib/        all modules of the code: polycast.js, log-writer.js, …
 *     assets/     the files for browsers: client/, console/, …
 */
const isBuilt = !import.meta.url.endsWith('.ts');
const CODE = new URL(isBuilt ? './' : '../', import.meta.url);
const PACKAGE = new URL('../', CODE);

/**
 * The folders of files for browsers: by the name in `assets/`, where the repository builds them,
 * below `packages/`. A folder that is added here is in the published package as well.
 */
export const ASSETS = {
  client: 'client/generated',
  console: 'console/generated',
  docs: 'docs/generated',
} as const;

/** The version of the package, for example `0.1.0`. */
export function packageVersion(): string {
  const manifest = readFileSync(new URL('package.json', PACKAGE), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/** The path of a folder for browsers, or of a file in it. */
export function assetPath(folder: keyof typeof ASSETS, file = ''): string {
  const home = isBuilt ? `assets/${folder}` : `../${ASSETS[folder]}`;
  return fileURLToPath(new URL(`${home}/${file}`, PACKAGE));
}

/** The modules that run in a thread of their own, by name. A build has one file for each name. */
export const THREAD_MODULES = {
  'log-writer': 'storage/sqlite/log/writer-thread/writer-worker.ts',
  'log-reader': 'storage/sqlite/log/reader-thread/reader-worker.ts',
  'subscription-store': 'storage/sqlite/subscriptions/store-worker.ts',
  'wal-checkpointer': 'storage/sqlite/wal-worker.ts',
} as const;

export type ThreadModule = keyof typeof THREAD_MODULES;

export function threadModule(name: ThreadModule): URL {
  return new URL(isBuilt ? `${name}.js` : THREAD_MODULES[name], CODE);
}
