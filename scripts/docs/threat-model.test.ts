import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8');

/** A line of a table of threats: its number, the threat, what stops it, the tests. */
const threats = [...page.matchAll(/^\| (?<id>\d+\.\d+) \|(?<cells>.+)\|$/gm)].map(({ groups }) => ({
  id: groups?.['id'] as string,
  tests: [...(groups?.['cells'] ?? '').matchAll(/`(?<file>[\w./-]+\.test\.tsx?)`: "(?<name>[^"]+)"/g)].map((match) => ({
    file: match.groups?.['file'] as string,
    name: match.groups?.['name'] as string,
  })),
}));

describe.each(threats)('threat $id', ({ tests }) => {
  test('names the tests that hold it', () => expect(tests).not.toEqual([]));

  test.each(tests)('$file has "$name"', ({ file, name }) => {
    const path = join(ROOT, file);
    const text = existsSync(path) ? readFileSync(path, 'utf8').replaceAll("\\'", "'") : '';
    expect(text.includes(name)).toBe(true);
  });
});

test('threats are numbered one after the other, in each section from 1', () => {
  const expected = new Map<string, number>();
  for (const { id } of threats) {
    const [section = '', number] = id.split('.');
    expected.set(section, (expected.get(section) ?? 0) + 1);
    expect(Number(number)).toBe(expected.get(section));
  }
  expect(threats.length).toBeGreaterThan(0);
});
