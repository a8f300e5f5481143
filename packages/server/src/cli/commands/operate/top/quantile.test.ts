import fc from 'fast-check';
import { expect, test } from 'vitest';
import { difference, quantileMs } from './quantile.ts';

const BOUNDS = [0.001, 0.01, 0.1, 1];

/** Durations in milliseconds, as a histogram counts them. */
function distributionOf(durationsMs: readonly number[]): { bucketsSeconds: number[]; counts: number[] } {
  const upTo = (bound: number): number => durationsMs.filter((ms) => ms / 1000 <= bound).length;
  return { bucketsSeconds: BOUNDS, counts: [...BOUNDS.map(upTo), durationsMs.length] };
}

test('a quantile is in the bucket of the true one', () => {
  const durations = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.9, 0.99), (durationsMs, share) => {
      const sorted = durationsMs.toSorted((one, other) => one - other);
      const exactMs = sorted[Math.ceil(share * sorted.length) - 1] as number;
      const upper = BOUNDS.find((bound) => exactMs / 1000 <= bound) as number;
      const lower = BOUNDS[BOUNDS.indexOf(upper) - 1] ?? 0;
      const found = quantileMs(distributionOf(durationsMs), share) as number;
      expect(found).toBeGreaterThanOrEqual(lower * 1000 - 1e-9);
      expect(found).toBeLessThanOrEqual(upper * 1000 + 1e-9);
    }),
  );
});

test('without durations there is none; beyond the last bound it is that bound', () => {
  expect(quantileMs(distributionOf([]), 0.5)).toBeNull();
  expect(quantileMs(distributionOf([5000]), 0.5)).toBe(1000);
});

test('the durations between two reads are their difference', () => {
  const earlier = distributionOf([500, 500, 500]);
  const later = distributionOf([500, 500, 500, 5, 5, 5]);
  expect(quantileMs(difference(later, earlier), 0.99)).toBeLessThanOrEqual(10);
  expect(difference(later, undefined)).toEqual(later);
});
