/** The axis begins with the order and always shows all of it: it grows when the time shown is over. */
export interface TimeAxis {
  readonly fromMs: number;
  readonly toMs: number;
  /** Where a time is, 0 to 100. */
  percent(atMs: number): number;
  /** Offsets from the beginning, milliseconds. */
  readonly ticksMs: readonly number[];
}

const SPAN_MS_MIN = 12_000;
const TICK_STEPS_MS = [1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000];
const TICKS_MAX = 13;

export function timeAxis(fromMs: number, nowMs: number): TimeAxis {
  const spanMs = Math.max(SPAN_MS_MIN, (nowMs - fromMs) * 1.04);
  const stepMs = TICK_STEPS_MS.find((step) => spanMs / step <= TICKS_MAX) ?? 600_000;
  const ticksMs = Array.from({ length: Math.floor(spanMs / stepMs) + 1 }, (_, index) => index * stepMs);
  return {
    fromMs,
    toMs: fromMs + spanMs,
    ticksMs,
    percent: (atMs) => Math.min(100, Math.max(0, ((atMs - fromMs) / spanMs) * 100)),
  };
}
