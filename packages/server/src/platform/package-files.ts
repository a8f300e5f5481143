import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { getRawAsset, getAsset, isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { gunzip } from 'node:zlib';

/**
 * Where the files of the package `polycast` are. In the repository the code runs from the folders
 * of `src/`. `npm run build` makes the published package in `packages/server/dist`:
 *
 *     package.json README.md LICENSE
 *     lib/        all modules of the code: polycast.js, log-writer.js, …
 *     assets/     the files for browsers: client/, console/, …
 *
 * `npm run build:binary` puts the same files into a single executable. They have the same paths
 * below a folder that does not exist: `/polycast/assets/client/client.js`.
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
  const manifest = isSea() ? getAsset('package.json', 'utf8') : readFileSync(new URL('package.json', PACKAGE), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/** The path of a folder for browsers, or of a file in it. */
export function assetPath(folder: keyof typeof ASSETS, file = ''): string {
  const home = isBuilt ? `assets/${folder}` : `../${ASSETS[folder]}`;
  return fileURLToPath(new URL(`${home}/${file}`, PACKAGE));
}

/** A file for browsers. Another `version` means another content. */
export interface AssetFile {
  readonly version: string;
  read(): Promise<Buffer>;
}

/** Finds a file by a path of `assetPath`. Undefined when it has not been built. */
export async function findAsset(path: string): Promise<AssetFile | undefined> {
  if (isSea()) return findInside(path);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  return { version: `${found.mtimeMs} ${found.size}`, read: () => readFile(path) };
}

/** Finds a file in the single executable, which has the files for browsers compressed. */
function findInside(path: string): AssetFile | undefined {
  const root = fileURLToPath(PACKAGE);
  if (!path.startsWith(root)) return undefined;
  try {
    const compressed = Buffer.from(getRawAsset(path.slice(root.length)));
    return { version: 'inside', read: () => promisify(gunzip)(compressed) };
  } catch {
    return undefined;
  }
}

/** The modules that run in a thread of their own, by name. A build has one file for each name. */
export const THREAD_MODULES = {
  'log-writer': 'storage/sqlite/log/writer-thread/writer-worker.ts',
  'view-writer': 'storage/sqlite/log/writer-thread/view-worker.ts',
  'log-reader': 'storage/sqlite/log/reader-thread/reader-worker.ts',
  'subscription-store': 'storage/sqlite/subscriptions/store-worker.ts',
  'wal-checkpointer': 'storage/sqlite/wal-worker.ts',
} as const;

export type ThreadModule = keyof typeof THREAD_MODULES;

/**
 * Starts a thread. It does not get the process's flags:
 * `--eval` or a test runner's loader would prevent its start.
 */
export function startThread(name: ThreadModule, options: Omit<WorkerOptions, 'execArgv'>): Worker {
  const withoutFlags = { ...options, execArgv: [] };
  if (isSea()) return new Worker(getAsset('thread.js', 'utf8'), { ...withoutFlags, eval: true, argv: [name] });
  return new Worker(new URL(isBuilt ? `${name}.js` : THREAD_MODULES[name], CODE), withoutFlags);
}

/**
 * Starts this program again, with the same arguments and the same output. The processes can send
 * each other messages.
 * @param variables environment variables in addition to those of this process
 */
export function spawnSelf(variables: Readonly<Record<string, string>>): ChildProcess {
  const [, script = '', ...args] = process.argv;
  return spawn(process.execPath, [...process.execArgv, ...(isSea() ? [] : [script]), ...args], {
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
