import type { Attempt } from './ports.ts';

type Numbered = Pick<Attempt, 'attempt'>;

/**
 * The number of attempts of an event to one subscription. A retry of a dead letter and a replay
 * begin a new round, whose attempts count from 1 again. Example: the attempts 1, 2, 3 and 1 are
 * four. The last number of a round also counts its attempts that are no longer stored. The probe of
 * a suspended endpoint does not count, so the attempt after it has the same number.
 * @param attempts the stored attempts, the oldest first
 * @returns the total after each of them
 */
export function attemptTotals(attempts: readonly Numbered[]): readonly number[] {
  let before = 0;
  let last = 0;
  return attempts.map(({ attempt }) => {
    if (attempt === last) before += 1;
    else if (attempt < last) before += last;
    last = attempt;
    return before + attempt;
  });
}

/**
 * The number of attempts begun of an event that is not done.
 * @param tries those of the present round
 * @param isInFlight the last one has no outcome, and is not among the stored attempts
 */
export function attemptsBegun(tries: number, isInFlight: boolean, attempts: readonly Numbered[]): number {
  if (isInFlight) return attemptTotals([...attempts, { attempt: tries }]).at(-1) ?? tries;
  const stored = attemptTotals(attempts).at(-1) ?? 0;
  const last = attempts.at(-1)?.attempt ?? 0;
  return Math.max(stored, stored - last + tries);
}
