import fc from 'fast-check';
import { expect, test } from 'vitest';
import { namesTag, tagsIn } from './conditions.ts';

test.each([
  ['"a"', ['a']],
  ['W/"a"', ['a']],
  ['""', ['']],
  ['*', '*'],
  [' * ', '*'],
  ['a-1', ['a-1']],
  ['"a", W/"b" ,"c,d"', ['a', 'b', 'c,d']],
  [',"a",, "b",', ['a', 'b']],
  ['"a" "b"', []],
  ['"a", b', []],
  ['"a', []],
  ['w/"a"', []],
])('%s names %j', (header, tags) => {
  expect(tagsIn(header)).toEqual(tags);
});

test('a tag is found wherever it stands in a list', () => {
  const tag = fc.stringMatching(/^[!#-~]{0,30}$/);
  const given = fc.record({
    before: fc.array(tag),
    sought: tag,
    after: fc.array(tag),
    weak: fc.boolean(),
    gap: fc.constantFrom(',', ', ', ' ,\t'),
  });
  fc.assert(
    fc.property(given, ({ before, sought, after, weak, gap }) => {
      const header = [...before, sought, ...after].map((each) => `${weak ? 'W/' : ''}"${each}"`).join(gap);
      expect(tagsIn(header)).toEqual([...before, sought, ...after]);
      expect(namesTag(header, `W/"${sought}"`)).toBe(true);
      expect(namesTag(header, `"${sought}-"`)).toBe([...before, ...after].includes(`${sought}-`));
    }),
  );
});

test('what names anything names each', () => {
  expect(namesTag('*', '"a"')).toBe(true);
  expect(namesTag(undefined, '"a"')).toBe(false);
  expect(namesTag('"b"', '"a"')).toBe(false);
});

test('a header as long as there may be one is read in no time that counts', () => {
  expect(tagsIn('"a" ,'.repeat(4000) + '"')).toEqual([]);
  expect(tagsIn(' '.repeat(16_000) + '"')).toEqual([]);
});
