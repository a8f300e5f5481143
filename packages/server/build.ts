import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { THREAD_MODULES } from './src/platform/package-files.ts';

const SOURCE = join(import.meta.dirname, 'src');

/** Where the published package has its code: all modules in one folder. */
const SERVER_BUILT = join(import.meta.dirname, 'dist/lib');

/** Dependencies that are not in the bundle: the published package declares them. */
export const EXTERNAL: readonly string[] = ['ajv', 'ajv-formats', 'safe-regex2'];

/**
 * Bundles the server, the command line and each thread, with their dependencies, so that a start
 * reads a few files. What a hub needs only sometimes is a module of its own.
 */
export async function buildServer(folder: string = SERVER_BUILT): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const threads = Object.entries(THREAD_MODULES).map(([name, file]) => [name, join(SOURCE, file)] as const);
  const build = await rolldown({
    input: { polycast: join(SOURCE, 'cli/polycast.ts'), ...Object.fromEntries(threads) },
    platform: 'node',
    external: [...EXTERNAL, /^ajv\//],
  });
  await build.write({
    dir: folder,
    format: 'esm',
    sourcemap: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  });
  await build.close();
}

if (import.meta.main) await buildServer();
