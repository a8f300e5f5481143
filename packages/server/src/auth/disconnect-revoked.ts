import type { Revocation } from '../core/access/principal.ts';
import type { RevokedReason, Session, Sessions } from './sessions.ts';

/** Sessions that are ended in one turn of the event loop. Deliveries run between the turns. */
const BATCH_MAX = 256;

/**
 * Ends all sessions that a revocation matches (PROTOCOL.md section 13.4), one batch per turn of the
 * event loop. Returns the number of sessions.
 */
export function disconnectRevoked(
  sessions: Sessions,
  revocation: Revocation,
  reason: RevokedReason = 'unauthorized',
): number {
  const matching = sessions.matching(revocation);
  disconnectFrom(matching, 0, reason);
  return matching.length;
}

function disconnectFrom(matching: readonly Session[], start: number, reason: RevokedReason): void {
  const end = Math.min(matching.length, start + BATCH_MAX);
  for (let index = start; index < end; index++) {
    const session = matching[index] as Session;
    if (session.registryIndex >= 0) session.disconnect(reason);
  }
  if (end < matching.length) setImmediate(disconnectFrom, matching, end, reason);
}
