let lastMs = Number.NaN;
let lastText = '';

/** RFC 3339 in UTC with milliseconds. Many events share a millisecond, so the last text is kept. */
export function formatTime(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastText = new Date(timeMs).toISOString();
    lastMs = timeMs;
  }
  return lastText;
}
