import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTime } from './time.ts';

const anyTime = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 });
const aboutNow = fc.integer({ min: 1_763_805_599_000, max: 1_763_805_602_000 });

test('times are formatted as by Date, whatever was formatted before', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anyTime, aboutNow), { minLength: 1, maxLength: 50 }), (times) => {
      for (const timeMs of times) expect(formatTime(timeMs)).toBe(new Date(timeMs).toISOString());
    }),
  );
});

test('a time that is none is refused, and the next one is right', () => {
  expect(() => formatTime(Number.NaN)).toThrow(RangeError);
  expect(() => formatTime(8_640_000_000_001_000)).toThrow(RangeError);
  expect(formatTime(1_763_805_600_007)).toBe('2025-11-22T10:00:00.007Z');
});
