import { expect, test } from 'vitest';
import { attemptsBegun, attemptTotals } from './attempt-count.ts';

const numbered = (...numbers: readonly number[]): readonly { attempt: number }[] =>
  numbers.map((attempt) => ({ attempt }));

test.each([
  ['no attempt', [], []],
  ['one round', [1, 2, 3], [1, 2, 3]],
  ['a retried dead letter', [1, 2, 3, 1], [1, 2, 3, 4]],
  ['dead letters without retries', [1, 1, 1], [1, 2, 3]],
  ['a round whose first attempts are not stored', [3, 1, 2], [3, 4, 5]],
  ['probes of a suspended endpoint', [1, 2, 2, 2, 3], [1, 2, 3, 4, 5]],
])('%s', (_name, numbers, totals) => {
  expect(attemptTotals(numbered(...numbers))).toEqual(totals);
});

test.each([
  ['in flight for the first time', 1, true, [], 1],
  ['waiting after a failure', 1, false, [1], 1],
  ['waiting after a probe, which does not count', 2, false, [1, 2, 3], 3],
  ['a retried dead letter that waits', 0, false, [1, 2, 3], 3],
  ['a retried dead letter in flight', 1, true, [1, 2, 3], 4],
  ['failed again after a retry', 1, false, [1, 2, 3, 1], 4],
  ['without a stored attempt', 5, false, [], 5],
])('of an event that is not done: %s', (_name, tries, isInFlight, numbers, count) => {
  expect(attemptsBegun(tries, isInFlight, numbered(...numbers))).toBe(count);
});
