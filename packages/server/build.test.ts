import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from './src/testing/temporary-folder.ts';
import { buildServer } from './build.ts';

/**
 * What a hub loads only with the setting that needs it.
 * Each file that is loaded holds its text in memory.
 */
const RARE = /@nats-io|@opentelemetry|\/undici\/|src\/storage\/cluster\/|src\/telemetry\//;

/**
 * The source modules in a built file and in all files that it imports, without those of `import()`.
 */
function sourcesOf(file: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const code = readFileSync(file, 'utf8');
  const sources = mappedSources(`${file}.map`);
  const imported = [...code.matchAll(/^(?:import|export) [^\n]*?"(\.\/[^"]+\.js)";$/gm)].map(([, path = '']) => path);
  return [...sources, ...imported.flatMap((path) => sourcesOf(join(dirname(file), path), seen))];
}

/** A file that the bundler adds has no map, and no source. */
function mappedSources(map: string): readonly string[] {
  if (!existsSync(map)) return [];
  return (JSON.parse(readFileSync(map, 'utf8')) as { readonly sources: readonly string[] }).sources;
}

test('the published hub loads the brokers, webhooks and tracing only where they are used', async () => {
  const folder = temporaryFolder();
  await buildServer(folder);
  const files = readdirSync(folder).filter((name) => name.endsWith('.js'));
  const main = files.find((name) =>
    mappedSources(join(folder, `${name}.map`)).some((path) => path.endsWith('src/main.ts')),
  );
  const sources = sourcesOf(join(folder, String(main)));
  expect(sources.some((path) => path.endsWith('src/core/publish.ts'))).toBe(true);
  expect(sources.filter((path) => RARE.test(path))).toEqual([]);
});
