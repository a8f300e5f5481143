/**
 * How long to wait before trying again: a random part of a span that doubles with each failure ("full jitter"), so that
 * clients which lost the same hub do not come back in step.
 * @param failures how often it was waited before; 0 for the first time
 * @param chance a number in [0, 1)
 */
export function backoffMs(failures: number, chance: number, baseMs: number, capMs: number): number {
  return chance * Math.min(capMs, baseMs * 2 ** Math.min(failures, 30));
}
