import fc from 'fast-check';
import { expect, test } from 'vitest';
import { includesTag, parseEntityTags } from './conditional-headers.ts';

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
])('%s matches %j', (header, tags) => {
  expect(parseEntityTags(header)).toEqual(tags);
});

test('a tag is found at any position of a list', () => {
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
      expect(parseEntityTags(header)).toEqual([...before, sought, ...after]);
      expect(includesTag(header, `W/"${sought}"`)).toBe(true);
      expect(includesTag(header, `"${sought}-"`)).toBe([...before, ...after].includes(`${sought}-`));
    }),
  );
});

test('an asterisk matches every tag', () => {
  expect(includesTag('*', '"a"')).toBe(true);
  expect(includesTag(undefined, '"a"')).toBe(false);
  expect(includesTag('"b"', '"a"')).toBe(false);
});

test('a header of the maximum length is parsed in linear time', () => {
  expect(parseEntityTags('"a" ,'.repeat(4000) + '"')).toEqual([]);
  expect(parseEntityTags(' '.repeat(16_000) + '"')).toEqual([]);
});
