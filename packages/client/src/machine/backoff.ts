/**
 * The wait before the next try: a random part of a span that doubles with each failure ("full
 * jitter"). So clients that lost the same hub do not reconnect in step.
 * @param failures the number of waits so far; 0 for the first
 * @param chance a number in [0, 1)
 */
export function backoffMs(failures: number, chance: number, baseMs: number, capMs: number): number {
  return chance * Math.min(capMs, baseMs * 2 ** Math.min(failures, 30));
}
