import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { buildForBinary } from '../packages/server/build.ts';
import { THREAD_MODULES } from '../packages/server/src/platform/package-files.ts';
import { build } from './build.ts';
import { openBundle } from './bundler.ts';
import { PUBLISHED } from './packages.ts';

/**
 * `npm run build:binary` makes the single executable `dist/polycast` for this machine: a copy of
 * Node.js with the code, its bytecode, and the files for browsers inside. It runs without Node.js
 * and without any other file.
 */
const BINARY = join(import.meta.dirname, '../dist/polycast');
const OWN = join(import.meta.dirname, 'binary');
/** The threads of a hub that has just started. Others compile their few modules at their start. */
const RECORDED_THREADS = ['main', 'log-writer'];
const RECORDING_TIMEOUT_MS = 120_000;

/** @returns the path of the executable */
export async function buildBinary(output: string = BINARY): Promise<string> {
  await build({ ifStale: true });
  const folder = mkdtempSync(join(tmpdir(), 'polycast-binary-'));
  try {
    const lib = join(folder, 'lib');
    await buildForBinary(lib);
    const assets = { ...compressedAssets(folder), ...assetsIn(folder, 'lib') };
    assets['package.json'] = join(PUBLISHED.server, 'package.json');
    const node = strippedNode(folder);
    const recording = await makeExecutable(join(folder, 'recording'), { folder, node, assets, isRecording: true });
    await recordCode(recording, folder);
    mkdirSync(join(output, '..'), { recursive: true });
    const allAssets = { ...assets, ...assetsIn(folder, 'code') };
    return await makeExecutable(output, { folder, node, assets: allAssets, isRecording: false });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All files below `root/name`, by their paths below `root`. */
function assetsIn(root: string, name: string): Record<string, string> {
  const files = readdirSync(join(root, name), { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  const paths = files.map(({ parentPath, name: file }) => join(parentPath, file));
  return Object.fromEntries(paths.map((path) => [relative(root, path).replaceAll(sep, '/'), path]));
}

/** The files for browsers, each compressed: as they are, they would add 13 MB. */
function compressedAssets(folder: string): Record<string, string> {
  const assets = assetsIn(PUBLISHED.server, 'assets');
  for (const [name, file] of Object.entries(assets)) {
    const compressed = join(folder, name);
    mkdirSync(dirname(compressed), { recursive: true });
    writeFileSync(compressed, gzipSync(readFileSync(file)));
  }
  return assetsIn(folder, 'assets');
}

/** A copy of this Node.js without its symbols, which are a fifth of its size. */
function strippedNode(folder: string): string {
  const node = join(folder, 'node');
  cpSync(process.execPath, node);
  try {
    execFileSync('strip', [node], { stdio: 'ignore' });
  } catch {
    console.warn('strip is not installed (binutils): the executable is 33 MB larger');
  }
  return node;
}

interface ExecutableParts {
  readonly folder: string;
  readonly node: string;
  readonly assets: Readonly<Record<string, string>>;
  readonly isRecording: boolean;
}

async function makeExecutable(output: string, { folder, node, assets, isRecording }: ExecutableParts): Promise<string> {
  const entries = join(folder, 'entries');
  for (const [name, thread] of [
    ['main', "'main'"],
    ['thread', 'process.argv.at(-1)'],
  ] as const) {
    const recorder = isRecording
      ? `import { record } from ${JSON.stringify(join(OWN, 'recorder.ts'))};record(${thread});`
      : '';
    const source = `${recorder}import ${JSON.stringify(join(OWN, `${name}.ts`))};`;
    const plugin = {
      name: 'entry',
      resolveId: (id: string) => (id === name ? id : undefined),
      load: (id: string) => (id === name ? source : undefined),
    };
    const bundle = await openBundle({ input: { [name]: name }, platform: 'node', plugins: [plugin] });
    await bundle.write({ dir: entries, format: 'cjs' });
    await bundle.close();
  }
  const configuration = {
    main: join(entries, 'main.js'),
    executable: node,
    output,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    assets: { ...assets, 'thread.js': join(entries, 'thread.js') },
  };
  const file = join(folder, 'sea.json');
  writeFileSync(file, JSON.stringify(configuration));
  execFileSync(process.execPath, ['--build-sea', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  return output;
}

/** Starts a hub, and has its threads write their bytecode into `code/`. */
async function recordCode(executable: string, folder: string): Promise<void> {
  const records = join(folder, 'records');
  mkdirSync(records);
  const hub = spawn(executable, ['serve', '--listen', '127.0.0.1:0', '--data', join(folder, 'data')], {
    env: { ...process.env, BYTECODE_FOLDER: records },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  hub.stderr.on('data', (text) => (log += String(text)));
  hub.stdout.once('data', () => writeFileSync(join(records, 'write'), ''));
  const startMs = performance.now();
  try {
    while (!RECORDED_THREADS.every((thread) => existsSync(join(records, thread)))) {
      if (hub.exitCode !== null || performance.now() - startMs > RECORDING_TIMEOUT_MS)
        throw new Error(`The executable has recorded no bytecode: ${log}`);
      await sleep(50);
    }
  } finally {
    hub.kill('SIGKILL');
  }
  // The main thread has called the most functions of what several threads load.
  for (const thread of RECORDED_THREADS.toReversed())
    cpSync(join(records, thread), join(folder, 'code'), { recursive: true });
}

if (import.meta.main) {
  const startMs = performance.now();
  const path = await buildBinary();
  const megabytes = (statSync(path).size / 1e6).toFixed(1);
  console.log(
    `${path}: ${megabytes} MB, ${Object.keys(THREAD_MODULES).length} threads inside, in ${Math.round(performance.now() - startMs)} ms`,
  );
}
