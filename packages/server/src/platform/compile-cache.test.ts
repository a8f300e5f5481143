import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';

const COMMAND = join(import.meta.dirname, '../cli/polycast.ts');

/** Runs a short command with this folder for caches; returns its output. */
function runWith(caches: string): string {
  const { NODE_COMPILE_CACHE: _, ...environment } = process.env;
  const env = { ...environment, XDG_CACHE_HOME: caches };
  return execFileSync(process.execPath, [COMMAND, '--version'], { env, encoding: 'utf8' });
}

test('the bytecode is in the cache folder of the user, and nobody else may write there', () => {
  const caches = temporaryFolder();
  expect(runWith(caches)).toMatch(/^\d/);
  expect(statSync(join(caches, 'polycast')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(caches, 'polycast'))).toHaveLength(1);
  expect(runWith(caches)).toMatch(/^\d/);
});

test('a folder that other users may write to is not used', () => {
  const caches = temporaryFolder();
  mkdirSync(join(caches, 'polycast'));
  chmodSync(join(caches, 'polycast'), 0o777);
  expect(runWith(caches)).toMatch(/^\d/);
  expect(readdirSync(join(caches, 'polycast'))).toEqual([]);
});

test('without a folder for caches a command works all the same', () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  expect(runWith(file)).toMatch(/^\d/);
});
