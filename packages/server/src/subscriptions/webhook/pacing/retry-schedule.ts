/**
 * The retry schedule of webhooks. The delays are those of the subscription, or
 * `subscriptions.retryDelaysSeconds` of the configuration when it was created without its own.
 * `outcome-handler.ts` applies them.
 */

/** Longest `Retry-After` that the hub obeys. */
export const RETRY_AFTER_MAX_MS = 86_400_000;

/** Fraction by which jitter shortens or lengthens a delay. */
const JITTER = 0.2;

/**
 * The delay until the next attempt, in milliseconds; `undefined`: no more attempts, the event
 * becomes a dead letter.
 * @param attempts attempts so far, 1 or more
 * @param randomFraction a number in [0, 1)
 * @param retryAfterMs the pause that the endpoint asked for, if it did; the delay of the schedule
 * is the minimum
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

/** A duration with jitter of up to a fifth, shorter or longer. */
export function withJitter(durationMs: number, randomFraction: number): number {
  return Math.round(durationMs * (1 - JITTER + 2 * JITTER * randomFraction));
}
