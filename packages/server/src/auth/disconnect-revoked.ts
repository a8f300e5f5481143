import type { Revocation } from '../core/access/principal.ts';
import type { Authority } from '../core/access/authority.ts';
import type { RevokedReason, Session, Sessions } from './sessions.ts';

/** Sessions that are ended in one turn of the event loop. Deliveries run between the turns. */
const BATCH_MAX = 256;

/** The number of sessions that revocations have ended. */
export interface RevokedSessions {
  readonly count: number;
}

/** From now on, ends the sessions whose credentials are revoked. */
export function disconnectOnRevocation(authority: Authority, sessions: Sessions): RevokedSessions {
  const revoked = { count: 0 };
  authority.onRevoked((revocation) => {
    // From here on, the user is let in again only by a new answer of the site.
    if (revocation.user !== undefined) authority.forgetUser?.(revocation.user);
    revoked.count += disconnectRevoked(sessions, revocation);
  });
  return revoked;
}

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
