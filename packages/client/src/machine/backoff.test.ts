import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

const CLIENTS = 10_000;

/** How long after the end of an outage each client tries again, sorted. Attempts fail at once. */
function returnsMs(outageMs: number): readonly number[] {
  // A linear congruential generator: the same numbers in each run.
  let seed = 1;
  const chance = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const returnMs = (): number => {
    let nowMs = 0;
    for (let failures = 0; nowMs < outageMs; failures++) nowMs += backoffMs(failures, chance(), 500, 30_000);
    return nowMs - outageMs;
  };
  return Array.from({ length: CLIENTS }, returnMs).toSorted((one, other) => one - other);
}

test.each([
  [3000, 2500, 900],
  [6000, 2500, 800],
  [10_000, 3000, 1000],
  [20_000, 4000, 1200],
  [60_000, 8000, 2500],
])('after an outage of %i ms 99 of 100 clients are back within %i ms, and half of them within %i ms', (...given) => {
  const [outageMs, mostMs, halfMs] = given;
  const returns = returnsMs(outageMs);
  expect(returns[CLIENTS * 0.99]).toBeLessThanOrEqual(mostMs);
  expect(returns[CLIENTS / 2]).toBeLessThanOrEqual(halfMs);
});

test('after an outage of ten minutes at most 8 of 100 clients come back in one second, and all within 30 s', () => {
  const returns = returnsMs(600_000);
  for (let second = 0; second < 30; second++) {
    const inSecond = returns.filter((ms) => ms >= second * 1000 && ms < (second + 1) * 1000);
    expect(inSecond.length).toBeLessThanOrEqual(CLIENTS * 0.08);
  }
  expect(returns.at(-1)).toBeLessThanOrEqual(30_000);
});
