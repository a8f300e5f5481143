import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { pasteable } from './pasteable.ts';
import { temporaryFolder } from './testing.ts';

const CHECKOUT = join(import.meta.dirname, '../../../..');
const PACKAGE = join(CHECKOUT, 'packages/server');
const ENTRY = join(import.meta.dirname, 'polycast.ts');
/** The folder of the Node.js and npx that the test itself uses. */
const NODE_FOLDER = dirname(process.execPath);

/** The hint of a command that finds no hub: `Start one with polycast dev, …`. */
function shown(program: string, cwd: string, path: string): string {
  const args = [program, 'publish', 'a', '1', '--url', '8'];
  const { stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, PATH: path } });
  return /Start one with (.*) dev, or/.exec(stderr)?.[1] ?? stderr;
}

/** Runs in a shell, in the folder, what a hub has told the user to type there. */
function paste(command: string, cwd: string, path: string): string {
  return execFileSync('/bin/sh', ['-c', command], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PATH: path, npm_config_offline: 'true' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** A project that depends on Polycast, as npm lays it out. */
function project(): string {
  const folder = realpathSync(temporaryFolder());
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  symlinkSync(PACKAGE, join(folder, 'node_modules/polycast'));
  symlinkSync('../polycast/src/cli/polycast.ts', join(folder, 'node_modules/.bin/polycast'));
  return folder;
}

const SHELL_PATH = `${NODE_FOLDER}:/usr/local/bin:/usr/bin:/bin`;
const VERSION = /^\d+\.\d+\.\d+\n$/;

test('in a checkout and below it, commands begin with npx, and work', () => {
  for (const folder of [CHECKOUT, join(CHECKOUT, 'docs/guides')]) {
    expect(shown(ENTRY, folder, SHELL_PATH)).toBe('npx polycast');
  }
  expect(paste('npx polycast --version', join(CHECKOUT, 'docs/guides'), SHELL_PATH)).toMatch(VERSION);
});

test('outside of the checkout they name it, and work', () => {
  const elsewhere = temporaryFolder();
  const command = shown(ENTRY, elsewhere, SHELL_PATH);
  expect(command).toBe(`npx --prefix ${CHECKOUT} polycast`);
  expect(paste(`${command} --version`, elsewhere, SHELL_PATH)).toMatch(VERSION);
});

test('in a project that depends on it they begin with npx, also when npm has started it', () => {
  const folder = project();
  const program = join(folder, 'node_modules/.bin/polycast');
  for (const cwd of [folder, join(folder, 'src')]) {
    const ofNpm = `${join(folder, 'node_modules/.bin')}:${SHELL_PATH}`;
    for (const path of [SHELL_PATH, ofNpm]) expect(shown(program, cwd, path)).toBe('npx polycast');
  }
  expect(paste('npx polycast --version', join(folder, 'src'), SHELL_PATH)).toMatch(VERSION);
});

test('in a project with another installation they name their own', () => {
  const folder = project();
  const other = join(folder, 'node_modules/polycast-of-another-version');
  mkdirSync(join(other, 'node_modules/.bin'), { recursive: true });
  mkdirSync(join(other, 'node_modules/polycast'));
  writeFileSync(join(other, 'node_modules/.bin/polycast'), '');
  expect(shown(ENTRY, other, SHELL_PATH)).toBe(`npx --prefix ${CHECKOUT} polycast`);
});

test('where the shell finds it, they are the name alone, and work', () => {
  const folder = realpathSync(temporaryFolder());
  symlinkSync(ENTRY, join(folder, 'polycast'));
  const path = `${folder}:${SHELL_PATH}`;
  expect(shown(join(folder, 'polycast'), folder, path)).toBe('polycast');
  expect(paste('polycast --version', folder, path)).toMatch(VERSION);
});

test('a folder with a space or a quote in its name is quoted', () => {
  const folder = join(realpathSync(temporaryFolder()), "it's here");
  mkdirSync(folder);
  const program = join(folder, 'polycast.mjs');
  writeFileSync(program, `import ${JSON.stringify(ENTRY)};`);
  const command = shown(program, '/usr', SHELL_PATH);
  expect(command).toBe(`${process.execPath} '${program.replace("'", String.raw`'\''`)}'`);
  expect(paste(`${command} --version`, '/usr', SHELL_PATH)).toMatch(VERSION);
});

test('names of files, packages and options are left as they are', () => {
  expect(pasteable('date | polycast publish clock --config polycast.yaml ./polycast dev')).toBe(
    'date | npx polycast publish clock --config polycast.yaml ./polycast dev',
  );
});
