import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.ts';
import { PUBLISHED } from './packages.ts';

/**
 * Builds the packages if sources have changed, and makes their tarballs in `folder`;
 * returns the paths.
 */
export async function pack(folder: string): Promise<string[]> {
  await build({ ifStale: true });
  mkdirSync(folder, { recursive: true });
  return Object.values(PUBLISHED).map((published) => {
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: published,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [{ filename }] = JSON.parse(output) as [{ filename: string }];
    return join(folder, filename);
  });
}

if (import.meta.main)
  for (const tarball of await pack(join(import.meta.dirname, '../.cache/tarballs'))) console.log(tarball);
