import { join } from 'node:path';
import { openBundle } from '../../scripts/bundler.ts';

/**
 * Creates the module of the published package. React and the client stay imports: a page must have
 * one copy of each.
 */
export async function buildReactModule(folder: string): Promise<void> {
  const build = await openBundle({
    input: join(import.meta.dirname, 'src/index.ts'),
    platform: 'browser',
    external: [/^react$/, /^@polycast\/client/],
  });
  await build.write({ format: 'esm', file: join(folder, 'index.js'), sourcemap: true });
  await build.close();
}
