import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBuckets } from './token-buckets.ts';

test('a burst is allowed, then the configured rate, and the stated wait is sufficient', () => {
  const buckets = new TokenBuckets();
  const take = (nowMs: number): number => buckets.take('a', 2, 3, nowMs);
  expect([take(0), take(0), take(0)]).toEqual([0, 0, 0]);
  expect(take(0)).toBe(500);
  // Fractions of tokens are rounded so that no request is admitted too early.
  expect(take(499)).toBeLessThanOrEqual(2);
  expect(take(501)).toBe(0);
  expect(take(501)).toBeGreaterThan(490);
  expect([take(60_000), take(60_000), take(60_000), take(60_000)]).toEqual([0, 0, 0, 500]);
  expect(buckets.take('b', 2, 3, 500)).toBe(0);
});

test('in any period no more is allowed than burst and rate permit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(400), { maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 10 }),
      (pausesMs, perSecond, burst) => {
        const buckets = new TokenBuckets();
        let nowMs = 1000;
        let taken = 0;
        for (const pauseMs of pausesMs) {
          nowMs += pauseMs;
          const waitMs = buckets.take('a', perSecond, burst, nowMs);
          if (waitMs === 0) taken++;
          else {
            nowMs += waitMs;
            expect(buckets.take('a', perSecond, burst, nowMs)).toBe(0);
            taken++;
          }
        }
        expect(taken).toBeLessThanOrEqual(burst + ((nowMs - 1000) / 1000) * perSecond + 0.01);
      },
    ),
  );
});

test('buckets that learn from each other what was taken allow together what one allows, however they are used', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(400), fc.nat(2)), { maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 10 }),
      (takes, perSecond, burst) => {
        const places = [new TokenBuckets(), new TokenBuckets(), new TokenBuckets()];
        let nowMs = 1000;
        let taken = 0;
        for (const [pauseMs, at] of takes) {
          nowMs += pauseMs;
          if (places[at]?.take('a', perSecond, burst, nowMs) !== 0) continue;
          taken++;
          for (const [index, other] of places.entries()) if (index !== at) other.spend('a', 1, perSecond, burst, nowMs);
        }
        expect(taken).toBeLessThanOrEqual(burst + ((nowMs - 1000) / 1000) * perSecond + 0.01);
      },
    ),
  );
});

test('what was taken in the same moment elsewhere is owed', () => {
  const buckets = new TokenBuckets();
  for (let count = 0; count < 3; count++) expect(buckets.take('a', 2, 3, 0)).toBe(0);
  buckets.spend('a', 3, 2, 3, 0);
  expect(buckets.take('a', 2, 3, 0)).toBe(2000);
  expect(buckets.take('a', 2, 3, 1999)).toBeGreaterThan(0);
  expect(buckets.take('a', 2, 3, 2001)).toBe(0);
});

test('buckets are bounded in number, and full ones are dropped first', () => {
  const buckets = new TokenBuckets();
  buckets.take('drained', 0.001, 1, 0);
  for (let number = 0; number < 120_000; number++) buckets.take(`b${number}`, 1000, 1, number);
  expect(buckets.size).toBeLessThanOrEqual(50_000);
  expect(buckets.take('drained', 0.001, 1, 120_000)).toBeGreaterThan(0);
});

test('a flood of throttled names does not scan every bucket for each of them', () => {
  const buckets = new TokenBuckets();
  let forgetting = 0;
  for (let number = 0; number < 60_000; number++) {
    const before = buckets.size;
    buckets.take(`b${number}`, 0.001, 1, 0);
    if (buckets.size <= before) forgetting++;
  }
  expect(forgetting).toBeLessThan(20);
});

test('buckets are bounded in bytes, however long their names are', () => {
  const buckets = new TokenBuckets();
  for (let number = 0; number < 60_000; number++) buckets.take(`${number}`.padEnd(330, 'x'), 0.001, 1, 0);
  expect(buckets.bytes).toBeLessThanOrEqual(16 * 1024 * 1024 + 1000);
  expect(buckets.size * 810).toBe(buckets.bytes);
});
