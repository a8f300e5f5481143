/** Milliseconds since 1970 in RFC 3339; `null` for never. */
export function timestampOrNull(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString();
}
