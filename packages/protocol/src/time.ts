let lastMs = Number.NaN;
let lastText = '';

/**
 * Formats a time as RFC 3339 in UTC with milliseconds. Many events share a millisecond, so the last
 * text is cached.
 */
export function formatTime(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastText = new Date(timeMs).toISOString();
    lastMs = timeMs;
  }
  return lastText;
}
