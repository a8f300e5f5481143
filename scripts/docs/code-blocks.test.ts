import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nameOf, readPages } from './blocks.ts';
import { check, isCheckedElsewhere, openPage, type OpenPage } from './check-block.ts';
import { scriptsOf, typeCheck } from './type-check.ts';

const ROOT = join(import.meta.dirname, '../..');
const pages = readPages(ROOT);

test('the scripts on all pages pass the type check', () => {
  const all = [...pages.values()].map((blocks) => scriptsOf(blocks));
  expect(typeCheck(new Map(all.flatMap((scripts) => [...scripts])))).toBe('');
});

describe.each([...pages])('%s', (page, blocks) => {
  const checked = blocks.filter(({ tab = 0 }) => tab === 0).filter((block) => !isCheckedElsewhere(block));
  if (checked.length === 0) return test('contains no code', () => expect(checked).toEqual([]));

  const scripts = scriptsOf(blocks);
  let opened: OpenPage;

  beforeAll(async () => {
    opened = await openPage(page, blocks);
  });

  afterAll(() => opened.close());

  for (const block of checked) test(nameOf(block), () => check(block, opened.run, scripts.get(block)));
});
