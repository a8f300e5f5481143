/**
 * A distribution of durations, as the hub's status has it. `counts` are the numbers of durations up
 * to each bound; the last one counts all durations. Counts rise from the start of the hub.
 */
export interface Distribution {
  readonly bucketsSeconds: readonly number[];
  readonly counts: readonly number[];
}

/** The durations that came between two reads. */
export function difference(later: Distribution, earlier: Distribution | undefined): Distribution {
  return {
    bucketsSeconds: later.bucketsSeconds,
    counts: later.counts.map((count, index) => count - (earlier?.counts[index] ?? 0)),
  };
}

/**
 * The duration in milliseconds that a share of all durations does not exceed; `null` without any.
 * Between the bounds of a bucket it is interpolated, as `histogram_quantile` of Prometheus does.
 * Beyond the last bound it is the last bound.
 */
export function quantileMs({ bucketsSeconds, counts }: Distribution, share: number): number | null {
  const total = counts.at(-1) ?? 0;
  if (total <= 0) return null;
  const rank = share * total;
  const bucket = counts.findIndex((count) => count >= rank);
  const upper = bucketsSeconds[bucket];
  if (upper === undefined) return (bucketsSeconds.at(-1) ?? 0) * 1000;
  const lower = bucketsSeconds[bucket - 1] ?? 0;
  const below = counts[bucket - 1] ?? 0;
  const within = (counts[bucket] ?? 0) - below;
  return (lower + (upper - lower) * (within === 0 ? 1 : (rank - below) / within)) * 1000;
}
