import { expect, test } from 'vitest';
import { groupDigits, joinWords } from './english.ts';

test.each([0, 7, 999, 1000, 65_536, 1_048_576, 2 ** 53 - 1, -1, -999, -1000, -1_234_567])(
  '%i is grouped as toLocaleString does it',
  (value) => {
    expect(groupDigits(value)).toBe(value.toLocaleString('en-US'));
  },
);

test.each([[], ['a'], ['a', 'b'], ['a', 'b', 'c']])('%j is joined as Intl.ListFormat does it', (...words) => {
  for (const [conjunction, type] of [
    ['and', 'conjunction'],
    ['or', 'disjunction'],
  ] as const)
    expect(joinWords(words, conjunction)).toBe(new Intl.ListFormat('en-GB', { type }).format(words));
});
