import type { Revocation } from '../core/principal.ts';
import type { Dismissal, Session, Sessions } from './sessions.ts';

/** How many are ended in one go; the others wait for those that have something to deliver. */
const AT_ONCE_MAX = 256;

/**
 * Ends all sessions whose standing a revocation ends (PROTOCOL.md section 13.4), one turn of the event loop after the other if
 * they are many. How many there are.
 */
export function dismissRevoked(sessions: Sessions, revocation: Revocation, code: Dismissal = 'unauthorized'): number {
  const meant = sessions.meantBy(revocation);
  dismissFrom(meant, 0, code);
  return meant.length;
}

function dismissFrom(meant: readonly Session[], start: number, code: Dismissal): void {
  const end = Math.min(meant.length, start + AT_ONCE_MAX);
  for (let index = start; index < end; index++) {
    const session = meant[index] as Session;
    if (session.registryIndex >= 0) session.dismiss(code);
  }
  if (end < meant.length) setImmediate(dismissFrom, meant, end, code);
}
