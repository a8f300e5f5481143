/**
 * The axis begins with the order and always shows the whole order. It grows with time, and fits the
 * order when that is done.
 */
export interface TimeAxis {
  readonly fromMs: number;
  /** The place of a time, from 0 to 100. */
  percent(atMs: number): number;
  /**
   * Offsets from the beginning, milliseconds, for an axis of that many pixels:
   * their labels do not overlap.
   */
  ticksMs(width: number): readonly number[];
}

const SPAN_MS_MIN = 11_000;

/**
 * The shares of the span that stay free at both ends, so that a mark there is fully visible, with
 * its title.
 */
const LEAD = 0.02;
const TRAIL = 0.09;
const TICK_STEPS_MS = [1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000];
const HOUR_MS = 3_600_000;
const TICKS_MAX = 13;
/** The width in pixels of the longest label of a tick, with some space: "3600 s". */
const TICK_WIDTH = 44;

export function timeAxis(fromMs: number, nowMs: number, ended: boolean): TimeAxis {
  const spanMs = Math.max(ended ? 1000 : SPAN_MS_MIN, nowMs - fromMs) / (1 - LEAD - TRAIL);
  return {
    fromMs,
    percent: (atMs) => Math.min(100, Math.max(0, ((atMs - fromMs) / spanMs + LEAD) * 100)),
    ticksMs: (width) => {
      const labels = Math.min(TICKS_MAX, width / TICK_WIDTH);
      const stepMs =
        TICK_STEPS_MS.find((step) => spanMs / step <= labels) ?? Math.ceil(spanMs / labels / HOUR_MS) * HOUR_MS;
      // The end of the axis must not cut the last label.
      const lastMs = spanMs * (1 - LEAD - TICK_WIDTH / width);
      return Array.from({ length: Math.max(0, Math.floor(lastMs / stepMs) + 1) }, (_, index) => index * stepMs);
    },
  };
}
