import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LONGEST } from './testing/longest-first.ts';

const ROOT = join(import.meta.dirname, '..');

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly engines?: object;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function read<Json>(path: string): Json {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Json;
}

const root = read<Manifest & { readonly allowScripts: object }>('package.json');
const packages = globSync('packages/*/package.json', { cwd: ROOT }).map((path) => ({ path, ...read<Manifest>(path) }));

test('npm prints no warning about a package of this project, on any Node version: `engines` is for published packages', () => {
  const locked = read<{ packages: Readonly<Record<string, Manifest>> }>('package-lock.json').packages;
  expect(packages.length).toBeGreaterThan(3);
  for (const { path, engines } of packages) expect([path, engines]).toEqual([path, undefined]);
  for (const { path } of packages) expect(locked[path.replace('/package.json', '')]?.engines).toBeUndefined();
});

test('`npm ci --omit=dev` installs everything that `npm start` needs: Node, and the build tools of the pages and the client', () => {
  const wanted = new Map<string, string>();
  // The documentation is not among them: `npm run build` makes it.
  for (const { path, dependencies = {}, devDependencies = {} } of packages.filter(
    (each) => !each.path.includes('/docs/'),
  )) {
    const built = ['build.ts', 'pages/**/*.ts', 'pages/**/*.tsx'].map((each) => path.replace('package.json', each));
    const builds = globSync(built, { cwd: ROOT, exclude: ['**/*.test.ts'] });
    const texts = builds.map((file) => readFileSync(join(ROOT, file), 'utf8'));
    if (texts.some((text) => text.includes("/scripts/bundler.ts'")))
      texts.push(readFileSync(join(ROOT, 'scripts/bundler.ts'), 'utf8'));
    const text = texts.join('\n');
    for (const [name, version] of Object.entries({ ...devDependencies, ...dependencies }))
      if (new RegExp(`from '${name}['/]`).test(text) && !name.startsWith('@polycast/')) wanted.set(name, version);
  }
  expect([...wanted.keys()].toSorted()).toEqual(['preact', 'rolldown', 'uplot', 'vite']);
  expect(root.dependencies).toEqual({ node: expect.stringMatching(/^26\./), ...Object.fromEntries(wanted) });
});

test('npm prints no warning about a deprecated package, or about a script of a package on which nobody decided', () => {
  const locked = read<{ packages: Readonly<Record<string, Locked>> }>('package-lock.json').packages;
  const decided = Object.keys(root.allowScripts).map((name) => `node_modules/${name}`);
  const found = Object.entries(locked);
  expect(found.length).toBeGreaterThan(100);
  expect(found.filter(([, { deprecated }]) => deprecated !== undefined)).toEqual([]);
  expect(found.flatMap(([path, { hasInstallScript }]) => (hasInstallScript === true ? [path] : []))).toEqual(
    decided.toSorted(),
  );
});

/** A package in the lock file. */
interface Locked {
  readonly deprecated?: string;
  readonly hasInstallScript?: boolean;
}

test('the test files that begin first exist, each once', () => {
  expect(LONGEST.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  expect(new Set(LONGEST).size).toBe(LONGEST.length);
});
