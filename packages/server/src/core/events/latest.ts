import type { Position } from '../ports.ts';

/** As `ifLatest`: whatever the newest event is. No event has this position. */
export const ANY_POSITION: Position = -2;

/** Whether `ifLatest` holds where this is the position of the channel's newest event, 0 for none. */
export function matchesLatest(ifLatest: Position, latest: Position): boolean {
  return ifLatest === latest || (ifLatest === ANY_POSITION && latest > 0);
}
