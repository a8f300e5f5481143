/** The channels of a fast-forward run: every kind of retention, by the first token of the name. */
export const RULES: readonly object[] = [
  { pattern: 'counted.>', historyCountMax: 500 },
  { pattern: 'sized.>', historyBytesMax: 128 * 1024 },
  { pattern: 'aged.>', historyAgeMaxSeconds: 1800 },
  { pattern: 'once.>', historyAgeMaxSeconds: 600 },
  { pattern: 'value.>', retain: 'latest' },
  { pattern: 'typing.>', retain: 'none' },
];

export const DEFAULTS: object = { historyAgeMaxSeconds: 3600 };

/** The number of channels of each kind; `once` has a new name for every event. */
export const CHANNELS: Readonly<Record<string, number>> = {
  counted: 20,
  sized: 20,
  aged: 100,
  value: 20,
  typing: 10,
  once: 0,
};

/**
 * The bytes of bodies that the rules allow in the log at the given rate. Counts and sizes are
 * limits themselves; ages are limits at a rate.
 * @param perSecond events per simulated second over all kinds
 */
export function retainedBytesMax(perSecond: number, bodyBytes: number): number {
  const share = perSecond / Object.keys(CHANNELS).length;
  return 20 * 500 * bodyBytes + 20 * 128 * 1024 + share * (1800 + 600) * bodyBytes + 20 * bodyBytes;
}
