import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './src/testing/temporary-folder.ts';
import { buildServer } from './build.ts';

/**
 * What a hub loads only with the setting or the command that needs it.
 * Each file that is loaded holds its text in memory.
 */
const RARE =
  /@nats-io|@opentelemetry|\/undici\/|src\/storage\/cluster\/|src\/telemetry\/|src\/lab\/|\/client\/src\/|cli\/commands\/(?!serve\/)/;

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

/** The source modules of the built file that has this one, and of all that it imports. */
function sourcesBeside(module: string, lib: string): readonly string[] {
  const files = readdirSync(lib).filter((name) => name.endsWith('.js'));
  const file = files.find((name) => mappedSources(join(lib, `${name}.map`)).some((path) => path.endsWith(module)));
  return sourcesOf(join(lib, String(file)));
}

/** A file that the bundler adds has no map, and no source. */
function mappedSources(map: string): readonly string[] {
  if (!existsSync(map)) return [];
  return (JSON.parse(readFileSync(map, 'utf8')) as { readonly sources: readonly string[] }).sources;
}

/** Builds the hub. Returns the folder with its modules. */
async function builtHub(): Promise<string> {
  const folder = temporaryFolder();
  await buildServer(join(folder, 'lib'));
  copyFileSync(join(import.meta.dirname, 'package.json'), join(folder, 'package.json'));
  // The packages that the published one declares.
  symlinkSync(join(import.meta.dirname, '../../node_modules'), join(folder, 'node_modules'));
  return join(folder, 'lib');
}

test('the published hub loads brokers, webhooks, tracing, the Lab and other commands only where they are used', async () => {
  const lib = await builtHub();
  const sources = ['src/cli/command-line.ts', 'src/main.ts'].flatMap((module) => sourcesBeside(module, lib));
  for (const used of ['src/cli/commands/serve/serve.ts', 'src/core/publish.ts'])
    expect(sources.some((path) => path.endsWith(used))).toBe(true);
  expect(sources.filter((path) => RARE.test(path))).toEqual([]);
});

/** TLS, HTTP/2 and the HTTP client of Node.js: a tenth of a start, and 10 MB. */
const RARE_BUILTINS = ['https', 'http2', 'tls', 'internal/deps/undici/undici'];

test('the published hub loads TLS, HTTP/2 and HTTP clients of Node.js only where they are used', async () => {
  const loaded = await builtinsOfStart(await builtHub());
  expect(loaded).toContain('http');
  expect(loaded.filter((name) => RARE_BUILTINS.includes(name))).toEqual([]);
});

/** The modules of Node.js that the process of a hub has loaded when it ends. */
async function builtinsOfStart(lib: string): Promise<readonly string[]> {
  const [recorder, list] = [join(lib, 'recorder.cjs'), join(lib, 'builtins.txt')];
  writeFileSync(
    recorder,
    `process.on('exit', () => require('fs').writeFileSync(process.env.LIST, process.moduleLoadList.join('\\n')));`,
  );
  const command = [join(lib, 'polycast.js'), 'serve', '--listen', '127.0.0.1:0', '--data', ':memory:'];
  const hub = spawn(process.execPath, ['--require', recorder, ...command], {
    env: { PATH: process.env['PATH'], LIST: list, NODE_DISABLE_COMPILE_CACHE: '1', POLYCAST_LOGGING_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void hub.kill('SIGKILL'));
  const exited = once(hub, 'exit');
  const [greeting] = (await once(hub.stdout, 'data')) as [Buffer];
  expect(String(greeting)).toContain('listening on');
  hub.kill('SIGTERM');
  await exited;
  return [...readFileSync(list, 'utf8').matchAll(/^NativeModule (.+)$/gm)].map(([, name = '']) => name);
}
