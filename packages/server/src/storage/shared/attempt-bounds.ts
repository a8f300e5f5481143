/**
 * Bounds of stored attempts: `subscriptions.attemptsKept` and `attemptsKeptMax`. The oldest
 * attempts are deleted. These bounds never delete a dead letter.
 */
export interface AttemptBounds {
  /** Attempts of one subscription. */
  readonly keptMax: number;
  /** Attempts of all subscriptions. */
  readonly allMax: number;
  /**
   * Bytes of the attempts of all subscriptions. A failure takes some 2 kB, and up to 16 KiB of
   * answer.
   */
  readonly bytesMax: number;
}

export const ATTEMPT_BOUNDS: AttemptBounds = { keptMax: 200, allMax: 200_000, bytesMax: 1024 * 1024 * 1024 };

/**
 * Attempts of one kind that a subscription stores: a quarter for the delivered ones, the rest for
 * failures, since users look for failures.
 */
export function keptMaxOf({ keptMax }: AttemptBounds, isDelivered: boolean): number {
  const delivered = Math.floor(keptMax / 4);
  return isDelivered ? delivered : keptMax - delivered;
}

/** Attempts are deleted in batches, so a bound may be exceeded by a quarter. */
export const PRUNE_SLACK = 1.25;
