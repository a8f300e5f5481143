/**
 * Milliseconds that never go back, and that go on while the machine sleeps: the monotonic clock of many systems stands
 * still then, so what the wall clock has skipped is added.
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

/** Less is the two clocks' drift. */
const SKIP_MIN_MS = 1000;
