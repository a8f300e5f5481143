/** A smaller difference is the drift of the two clocks. */
const SKIP_MIN_MS = 1000;

/**
 * A clock in milliseconds that never goes back and that continues while the machine sleeps. The
 * monotonic clock of many systems stops then, so this clock adds the time that the wall clock
 * skipped.
 */
export function createClock(): () => number {
  let skippedMs = 0;
  let lastMs = performance.now();
  let lastWallMs = Date.now();
  return () => {
    const nowMs = performance.now();
    const wallMs = Date.now();
    const aheadMs = wallMs - lastWallMs - (nowMs - lastMs);
    if (aheadMs > SKIP_MIN_MS) skippedMs += aheadMs;
    lastMs = nowMs;
    lastWallMs = wallMs;
    return nowMs + skippedMs;
  };
}
