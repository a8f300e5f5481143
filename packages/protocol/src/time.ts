let lastMs = Number.NaN;
let lastText = '';
let lastSecond = Number.NaN;
/** A text up to the milliseconds: `2026-11-22T14:02:11.` */
let lastPrefix = '';

/**
 * Formats a time as RFC 3339 in UTC with milliseconds. Many events share a millisecond, and more of
 * them a second. So the last text is cached, and its part up to the milliseconds.
 */
export function formatTime(timeMs: number): string {
  if (timeMs === lastMs) return lastText;
  const second = Math.floor(timeMs / 1000);
  if (second !== lastSecond) {
    lastPrefix = new Date(second * 1000).toISOString().slice(0, -'000Z'.length);
    lastSecond = second;
  }
  lastText = `${lastPrefix}${String(Math.floor(timeMs - second * 1000)).padStart(3, '0')}Z`;
  lastMs = timeMs;
  return lastText;
}
