/**
 * The wait before the next try: a random part of a span ("full jitter"). So clients that lost the
 * same hub do not reconnect in step. The span doubles twice: somebody may look at the page, and a
 * hub is often back after some seconds. Then it doubles with each 16 failures, because after a long
 * outage many clients wait, and must not return together. For a base of 500 ms that is some 2 s and
 * an eleventh of the outage. For example, it is 4 s after 20 s, and 13 s after two minutes.
 * @param failures the number of waits so far; 0 for the first
 * @param chance a number in [0, 1)
 */
export function backoffMs(failures: number, chance: number, baseMs: number, capMs: number): number {
  return chance * Math.min(capMs, baseMs * 2 ** Math.min(failures, 2 + failures / 16));
}
