import { expect, test } from 'vitest';
import { BoundedCache } from './bounded-cache.ts';

test('a cache stays within its bytes, however long the texts are, and keeps the used entries', () => {
  const memo = new BoundedCache<string>(100_000, (value) => value.length);
  memo.set('used', 'v');
  for (let number = 0; number < 10_000; number++) {
    memo.set(`${number}`.padEnd(number % 900, 'x'), 'v'.repeat(number % 50));
    expect(memo.get('used')).toBe('v');
    expect(memo.bytes).toBeLessThanOrEqual(100_000);
  }
  expect(memo.get('1'.padEnd(1, 'x'))).toBeUndefined();
});

test('an entry larger than half the cache is not stored, and evicts nothing', () => {
  const memo = new BoundedCache<string>(1000, (value) => value.length);
  memo.set('a', 'v');
  memo.set('b', 'v'.repeat(600));
  expect([memo.get('a'), memo.get('b')]).toEqual(['v', undefined]);
  memo.clear();
  expect([memo.get('a'), memo.bytes]).toEqual([undefined, 0]);
});

test('the last requested entry is the newest value, and disappears when the cache is cleared', () => {
  const memo = new BoundedCache<string>(1000, (value) => value.length);
  memo.set('a', 'first');
  expect(memo.get('a')).toBe('first');
  memo.set('a', 'second');
  expect([memo.get('a'), memo.get('b')]).toEqual(['second', undefined]);
  memo.clear();
  expect(memo.get('a')).toBeUndefined();
});
