import { cpSync, existsSync, globSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as attw from '@arethetypeswrong/core';
import type { Browser } from 'playwright-core';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBrowser } from '../../packages/console/browser/lab-page.ts';
import { pack } from '../../scripts/pack.ts';
import { SLOW_TEST_TIMEOUT_MS } from '../../scripts/testing/timeouts.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { packagesOf } from '../third-party/packages.ts';
import { BUNDLERS } from './bundlers.ts';
import { takeFirstSteps } from './first-steps.ts';
import { plainEnvironment, polycast, run, startDevHub, type DevHub, type Installation } from './installation.ts';
import { usePage } from './page.ts';
import { runShop } from './shop.ts';

const PROGRAMS = join(import.meta.dirname, 'programs');
const ROOT = join(import.meta.dirname, '../..');
const COMPILER = join(ROOT, 'node_modules/.bin/tsc');

let tarballs: string[];
let browser: Browser;
beforeAll(async () => {
  tarballs = await pack(temporaryFolder('tarballs'));
  browser = await startBrowser();
  // Without a build before, as `npm test` makes it, this builds everything.
}, SLOW_TEST_TIMEOUT_MS);
afterAll(() => browser.close());

interface NpmInstallation extends Installation {
  /** What npm has printed. */
  readonly output: string;
}

/** For each version of Node, an empty folder, and in it the packages, installed by npm. */
const installations = new Map<string, Promise<NpmInstallation>>();

function installed(version: string): Promise<NpmInstallation> {
  const found = installations.get(version) ?? install(version);
  installations.set(version, found);
  return found;
}

async function install(version: string): Promise<NpmInstallation> {
  const folder = temporaryFolder('installation');
  const environment = plainEnvironment(await nodeFolder(version));
  const output = await run({ folder, environment }, 'npm', 'install', '--no-audit', '--no-fund', ...tarballs);
  cpSync(PROGRAMS, folder, { recursive: true });
  return { folder, command: ['npx', '--no-install', 'polycast'], environment, output };
}

describe.each(['24', '26'])('on Node %s, in an empty folder', (version) => {
  test('npm installs the packages without a warning', async () => {
    const installation = await installed(version);
    // A setting of this machine's npm is not about the packages.
    expect(installation.output).not.toMatch(/npm warn (?!Unknown (?:user|env) config)/);
    expect(installation.output).toMatch(/added \d+ packages/);
  });

  test('a hub starts, and an application uses all of it', async () => {
    const installation = await installed(version);
    expect(await run(installation, 'node', '--version')).toMatch(`v${version}.`);
    expect(await polycast(installation, '--version')).toMatch(/^\d+\.\d+\.\d+\n/);
    await takeFirstSteps(installation, browser, (hub) => runShop(installation, hub));
  });
});

test('on an older Node, a command says which version it needs', async () => {
  const { folder } = await installed('26');
  const environment = plainEnvironment(await nodeFolder('20'));
  const failure = await run({ folder, environment }, 'npx', '--no-install', 'polycast', 'dev').catch(String);
  expect(failure).toMatch(/^polycast: This is Node\.js v20\..*, and Polycast needs 24 or later\./m);
  expect(failure).not.toMatch(/SyntaxError|file:/);
});

test('the commands that it shows work where they are pasted', async () => {
  const local = await installed('26');
  const globalFolder = temporaryFolder('global');
  const install = ['install', '--global', '--prefix', globalFolder, '--no-audit', '--no-fund', ...tarballs];
  await run(local, 'npm', ...install);
  const [PATH = ''] = [local.environment['PATH']];
  const everywhere = { ...local.environment, PATH: `${join(globalFolder, 'bin')}:${PATH}` };
  const elsewhere = temporaryFolder('elsewhere');
  const cases: readonly (readonly [Installation, string])[] = [
    [local, 'npx polycast'],
    [{ folder: elsewhere, command: ['polycast'], environment: everywhere }, 'polycast'],
    [
      { ...local, folder: elsewhere, command: [join(local.folder, 'node_modules/.bin/polycast')] },
      `npx --prefix ${realpathSync(local.folder)} polycast`,
    ],
  ];
  for (const [installation, shown] of cases) {
    const help = await polycast(installation, 'publish', '--help');
    expect(/Usage\s+(.*) publish/.exec(help)?.[1]).toBe(shown);
    expect(await run(installation, 'sh', '-c', `${shown} --version`)).toMatch(/^\d+\.\d+\.\d+\n/);
  }
});

/**
 * The folder with `node` of a version. 26 is the one that runs the tests, which is from npm too.
 */
async function nodeFolder(version: string): Promise<string> {
  if (process.version.startsWith(`v${version}.`)) return dirname(process.execPath);
  const { folder, missing } = await packagesOf('npm', `../installation/node-${version}`);
  if (missing !== undefined) throw new Error(missing);
  return join(folder, 'node_modules/.bin');
}

describe('the packages', () => {
  test('have no fault that publint or "are the types wrong" finds', async () => {
    for (const tarball of tarballs) {
      const bytes = new Uint8Array(readFileSync(tarball));
      const { messages } = await publint({ pack: { tarball: bytes.slice().buffer }, strict: true });
      expect(messages).toEqual([]);
      const result = await attw.checkPackage(attw.createPackageFromTarballData(bytes));
      // The packages are modules only: no `require` before Node 22, no compiler without `exports`.
      const problems = result.types === false ? [] : result.problems.filter(({ kind }) => !ONLY_MODULES.has(kind));
      expect(problems).toEqual([]);
    }
  });

  test('say nothing of the repository, and depend on no package of it', async () => {
    const { folder } = await installed('26');
    for (const name of ['polycast', '@polycast/client', '@polycast/react']) {
      const root = join(folder, 'node_modules', name);
      const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
      expect(manifest.engines).toEqual({ node: '>=24' });
      expect(Object.keys(manifest.dependencies ?? {}).filter((each) => each.startsWith('@polycast/'))).toEqual([]);
      const files = globSync('**/*.{js,ts,json,md,map}', { cwd: root });
      expect(files).toEqual(expect.arrayContaining(['package.json', 'README.md']));
      expect(existsSync(join(root, 'LICENSE'))).toBe(true);
      for (const file of files) expect(readFileSync(join(root, file), 'utf8'), file).not.toContain(ROOT);
    }
  });

  test('the hooks load beside React, which npm installs with them', async () => {
    const program = "import { useChannel } from '@polycast/react'; console.log(typeof useChannel);";
    const installation = await installed('26');
    expect(await run(installation, 'node', '--input-type=module', '--eval', program)).toBe('function\n');
  });
});

const ONLY_MODULES: ReadonlySet<string> = new Set(['NoResolution', 'CJSResolvesToESM']);

describe('the client, installed', () => {
  let installation: Installation;
  let hub: DevHub;
  beforeAll(async () => {
    installation = await installed('26');
    hub = await startDevHub(installation);
  });

  test('has types that a program compiles with, under moduleResolution node16 and bundler', async () => {
    const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
    const options = [
      '--noEmit',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--target',
      'es2024',
      ...types,
      'user.mts',
    ];
    for (const [resolution, module] of [
      ['node16', 'node16'],
      ['bundler', 'esnext'],
    ] as const)
      await run(installation, COMPILER, ...options, '--module', module, '--moduleResolution', resolution);
  });

  test.each(Object.entries(BUNDLERS))('works in a page that %s builds, with less than 10 kB', async (name, bundle) => {
    const output = join(installation.folder, 'bundles', `${name}.js`);
    await bundle(join(installation.folder, 'page.mjs'), output);
    const { length } = gzipSync(readFileSync(output), { level: 9 });
    console.log(`The client in a page of ${name}: ${length} bytes, compressed by gzip.`);
    expect(length).toBeLessThan(10_000);
    await usePage(browser, hub.url, { '/page.js': output });
  });

  test('works in a page without a build step', async () => {
    const { resolve } = createRequire(join(installation.folder, 'page.mjs'));
    const files = { '/page.js': join(PROGRAMS, 'plain-page.mjs'), '/client.js': resolve('@polycast/client/browser') };
    await usePage(browser, hub.url, files);
  });
});

interface Manifest {
  readonly engines: object;
  readonly dependencies?: Readonly<Record<string, string>>;
}
