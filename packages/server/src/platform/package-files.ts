import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Where the files of the package `polycast` are. In the repository the code runs from the folders
 * of `src/`. In the published package all modules are in one folder, `dist/`.
 */
const isBuilt = !import.meta.url.endsWith('.ts');
const CODE = new URL(isBuilt ? './' : '../', import.meta.url);
const PACKAGE = new URL('../', CODE);

/** The version of the package, for example `0.1.0`. */
export function packageVersion(): string {
  const manifest = readFileSync(new URL('package.json', PACKAGE), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/**
 * The path of a file that was built for browsers. In the published package it is inside the
 * package; in the repository it is in the sibling package that builds it.
 */
export function builtFile(published: string, inRepository: string): string {
  const inPackage = fileURLToPath(new URL(`assets/${published}`, PACKAGE));
  return existsSync(inPackage) ? inPackage : fileURLToPath(new URL(`../${inRepository}`, PACKAGE));
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
