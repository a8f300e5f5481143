import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as yaml from 'yaml';
import { expect, test } from 'vitest';
import { blocksOf } from './blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = 'docs/guides/php-site.md';
const blocks = blocksOf(PAGE, readFileSync(join(ROOT, PAGE), 'utf8'));

test('the page shows lines of the PHP example', () => {
  const files = globSync('examples/php-site/site/*.php', { cwd: ROOT }).map((name) =>
    readFileSync(join(ROOT, name), 'utf8'),
  );
  const lines = new Set(files.flatMap((text) => text.split('\n').map((line) => line.trim())));
  const shown = blocks.filter(({ language }) => language === 'php').flatMap(({ text }) => text.trim().split('\n'));
  expect(shown.filter((line) => !lines.has(line.trim()))).toEqual([]);
});

test('the page shows the whole configuration of the example', () => {
  const { listen: _listen, ...example } = yaml.parse(
    readFileSync(join(ROOT, 'examples/php-site/polycast.yaml'), 'utf8'),
  ) as Readonly<Record<string, unknown>>;
  const shown = blocks.find(({ language }) => language === 'yaml');
  expect(yaml.parse(shown?.text ?? '')).toEqual(example);
});
