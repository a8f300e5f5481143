import type { Revocation } from '../core/access/principal.ts';
import type { RevokedReason, Session, Sessions } from './sessions.ts';

/** How many are ended in one go; the others wait for those that have something to deliver. */
const BATCH_MAX = 256;

/**
 * Ends all sessions whose standing a revocation ends (PROTOCOL.md section 13.4), one turn of the event loop after the other if
 * they are many. How many there are.
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
