import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
/** Where the paths on the page begin. */
const BASES = ['', 'packages/server/src'];
const page = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8');

/** The threats of the tables: `| 1.1 | threat | actors | protection |`. */
const threats = [...page.matchAll(/^\| (\d+\.\d+) \|.+\|.+\|.+\|$/gm)].map(([, id]) => id as string);

/** The lists of tests below the tables: `- **1.1** ` and the tests. */
const lists = [...page.matchAll(/^- \*\*(\d+\.\d+)\*\* (.+)$/gm)].map(([, id, text]) => ({
  id: id as string,
  tests: testsOf(text as string),
}));

/** The tests that a text names, as `file`: "name", "name". */
function testsOf(text: string): { readonly file: string; readonly name: string }[] {
  return [...text.matchAll(/`([\w./-]+\.test\.tsx?)`: ((?:"[^"]+"(?:, )?)+)/g)].flatMap(([, file, names]) =>
    [...(names as string).matchAll(/"([^"]+)"/g)].map(([, name]) => ({ file: file as string, name: name as string })),
  );
}

test('each threat has a list of tests', () => {
  expect(lists.map(({ id }) => id)).toEqual(threats);
  expect(lists.filter(({ tests }) => tests.length === 0)).toEqual([]);
});

describe('the page', () => {
  test.each(testsOf(page))('names a test of $file: "$name"', ({ file, name }) => {
    const path = BASES.map((base) => join(ROOT, base, file)).find((candidate) => existsSync(candidate));
    const text = path === undefined ? '' : readFileSync(path, 'utf8').replaceAll("\\'", "'");
    expect(text.includes(name)).toBe(true);
  });
});

test('threats are numbered consecutively, in each section from 1', () => {
  const expected = new Map<string, number>();
  for (const id of threats) {
    const [section = '', number] = id.split('.');
    expected.set(section, (expected.get(section) ?? 0) + 1);
    expect(Number(number)).toBe(expected.get(section));
  }
  expect(threats.length).toBeGreaterThan(0);
});
