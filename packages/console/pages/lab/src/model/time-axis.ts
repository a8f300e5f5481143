/**
 * The axis begins with the order and always shows the whole order. It grows with time, and fits the
 * order when that is done.
 */
export interface TimeAxis {
  readonly fromMs: number;
  /** The place of a time, from 0 to 100. */
  percent(atMs: number): number;
  /** Offsets from the beginning, milliseconds. */
  readonly ticksMs: readonly number[];
}

const SPAN_MS_MIN = 11_000;

/**
 * The shares of the span that stay free at both ends, so that a mark there is fully visible, with
 * its title.
 */
const LEAD = 0.02;
const TRAIL = 0.09;
const TICK_STEPS_MS = [1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000];
const TICKS_MAX = 13;

export function timeAxis(fromMs: number, nowMs: number, ended: boolean): TimeAxis {
  const spanMs = Math.max(ended ? 1000 : SPAN_MS_MIN, nowMs - fromMs) / (1 - LEAD - TRAIL);
  const stepMs = TICK_STEPS_MS.find((step) => spanMs / step <= TICKS_MAX) ?? 600_000;
  const ticksMs = Array.from({ length: Math.floor((spanMs * (1 - LEAD)) / stepMs) + 1 }, (_, index) => index * stepMs);
  return { fromMs, ticksMs, percent: (atMs) => Math.min(100, Math.max(0, ((atMs - fromMs) / spanMs + LEAD) * 100)) };
}
