/** How many attempts are remembered: `subscriptions.attemptsKept` and `attemptsKeptMax`. The oldest go; dead letters never do. */
export interface AttemptBounds {
  /** Of one subscription. */
  readonly keptMax: number;
  /** Of all subscriptions. */
  readonly allMax: number;
  /** The same in bytes: a failure has some 2 kB, and up to 16 KiB of answer. */
  readonly bytesMax: number;
}

export const ATTEMPT_BOUNDS: AttemptBounds = { keptMax: 200, allMax: 200_000, bytesMax: 1024 * 1024 * 1024 };

/** How many of one kind are kept of a subscription: what went wrong is what one looks for. */
export function keptMaxOf({ keptMax }: AttemptBounds, isDelivered: boolean): number {
  const delivered = Math.floor(keptMax / 4);
  return isDelivered ? delivered : keptMax - delivered;
}

/** Removing goes by heaps: a bound is kept to within a quarter. */
export const PRUNE_SLACK = 1.25;
