import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorOf } from '../../packages/docs/stage/anchors.ts';
import { blocksOf } from './blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
const PREFIX = 'docs/guides/coming-from-';
const PAGES = globSync(`${PREFIX}*.md`, { cwd: ROOT }).toSorted();
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

test('each folder of examples/coming-from has a page', () => {
  const folders = globSync('examples/coming-from/*/after.mjs', { cwd: ROOT }).map((path) => path.split('/')[2]);
  expect(PAGES).toEqual(folders.map((folder) => `${PREFIX}${folder}.md`).toSorted());
});

describe.each(PAGES)('%s', (page) => {
  const folder = `examples/coming-from/${page.slice(PREFIX.length, -'.md'.length)}`;

  test('shows the programs of the example, character for character', () => {
    const shown = blocksOf(page, read(page)).filter(({ file }) => file !== undefined);
    const programs = globSync(`${folder}/*`, { cwd: ROOT }).toSorted();
    expect(shown.map(({ file }) => file).toSorted()).toEqual(programs.map((path) => basename(path)));
    for (const { file, text } of shown) expect(text).toBe(read(`${folder}/${file}`));
  });
});

/**
 * Figures that the benchmarks do not print in this form: bytes of events, which
 * `conformance/coming-from` counts, loads, and what a page computes from measured figures.
 */
const OTHERS: ReadonlySet<string> = new Set([
  '100,000',
  '1,022',
  '1,043',
  '1,141',
  '1,179',
  '0.3',
  '1.7',
  '2,000',
  '10,000',
]);

test.each([...PAGES, 'docs/comparison.md'])('%s: its figures are those of the benchmarks that it links', (page) => {
  const [, section = ''] = /\n## Figures\n([^]*?)(?=\n## |$)/.exec(read(page)) ?? [];
  expect(section).not.toBe('');
  // A figure of another benchmark may be equal by chance.
  const linked = new Set([...section.matchAll(/benchmarks\.md#([^)\s]+)/g)].map(([, anchor]) => anchor));
  const benchmarks = read('docs/benchmarks.md')
    .split(/^(?=###? )/m)
    .filter((text) => linked.has(anchorOf(/^#+ (.+)$/m.exec(text)?.[1] ?? '')))
    .join('');
  const figures =
    section.replaceAll(/\]\([^)]*\)/g, ']').match(/(?<![\d.])\d+(?:,\d{3})*(?:\.\d+)?(?![\d.]*\d)/g) ?? [];
  const precise = figures.filter((figure) => /[,.]/.test(figure) && !OTHERS.has(figure));
  expect(precise.filter((figure) => !benchmarks.includes(figure))).toEqual([]);
});
