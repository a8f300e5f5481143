import { expect, test } from 'vitest';
import { groupDigits } from './group-digits.ts';

test.each([0, 7, 999, 1000, 65_536, 1_048_576, 2 ** 53 - 1, -1, -999, -1000, -1_234_567])(
  '%i is grouped as toLocaleString does it',
  (value) => {
    expect(groupDigits(value)).toBe(value.toLocaleString('en-US'));
  },
);
