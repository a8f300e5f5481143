/**
 * Bounds of stored attempts: `subscriptions.attemptsKept` and `attemptsKeptMax`. The oldest
 * attempts are deleted. These bounds never delete a dead letter.
 */
export interface AttemptBounds {
  /** Attempts of one subscription. */
  readonly attemptsKept: number;
  /** Attempts of all subscriptions. */
  readonly attemptsKeptMax: number;
  /**
   * Bytes of the attempts of all subscriptions. A failure takes some 2 kB, and up to 16 KiB of
   * answer.
   */
  readonly bytesMax: number;
}

export const ATTEMPT_BOUNDS: AttemptBounds = {
  attemptsKept: 200,
  attemptsKeptMax: 200_000,
  bytesMax: 1024 * 1024 * 1024,
};

/**
 * Attempts of one kind that a subscription stores: a quarter for the delivered ones, the rest for
 * failures, since users look for failures.
 */
export function keptMaxOf({ attemptsKept }: AttemptBounds, isDelivered: boolean): number {
  const delivered = Math.floor(attemptsKept / 4);
  return isDelivered ? delivered : attemptsKept - delivered;
}

/** Attempts are deleted in batches, so a bound may be exceeded by a quarter. */
export const PRUNE_SLACK = 1.25;
