/** What a server's `Retry-After` is obeyed up to. */
export const RETRY_AFTER_MAX_MS = 86_400_000;

/** By how much of itself a delay is shortened or lengthened. */
const JITTER = 0.2;

/**
 * How long until an event is tried again; `undefined`: it is not, and becomes a dead letter.
 * @param attempts that have been made, 1 or more
 * @param randomFraction a number in [0, 1)
 * @param retryAfterMs what the endpoint asked for, if it did; the schedule's own delay is kept at least
 */
export function retryDelayMs(
  delaysMs: readonly number[],
  attempts: number,
  randomFraction: number,
  retryAfterMs: number | undefined,
): number | undefined {
  const delayMs = delaysMs[attempts - 1];
  if (delayMs === undefined) return undefined;
  const jittered = withJitter(delayMs, randomFraction);
  return retryAfterMs === undefined ? jittered : Math.max(jittered, Math.min(retryAfterMs, RETRY_AFTER_MAX_MS));
}

/** A duration, a fifth more or less. */
export function withJitter(durationMs: number, randomFraction: number): number {
  return Math.round(durationMs * (1 - JITTER + 2 * JITTER * randomFraction));
}
