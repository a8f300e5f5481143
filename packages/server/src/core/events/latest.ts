import type { Position } from '../ports.ts';

/** The value of `ifLatest` for any newest event. No event has this position. */
export const ANY_POSITION: Position = -2;

/** Whether `ifLatest` holds. `latest` is the position of the channel's newest event; 0: none. */
export function matchesLatest(ifLatest: Position, latest: Position): boolean {
  return ifLatest === latest || (ifLatest === ANY_POSITION && latest > 0);
}
