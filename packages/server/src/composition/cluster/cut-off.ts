import type { IdentityHearing } from '../../core/access/identity-store.ts';
import type { Session, Sessions } from '../../auth/sessions.ts';
import { isIdentified } from '../../identity/current-authority.ts';
import type { HubBase } from '../base.ts';

const CHECK_INTERVAL_MS = 500;
/** Sessions that are ended in one turn of the event loop. */
const BATCH_MAX = 256;

/**
 * Ends the sessions of identified clients while this hub does not hear of revocations. They connect
 * again, to a hub that does. A cut-off hub would go on to serve revoked credentials otherwise.
 */
export function endSessionsWhenCutOff(
  { logger, shutdown }: Pick<HubBase, 'logger' | 'shutdown'>,
  hearing: Pick<IdentityHearing, 'isCurrent'>,
  sessions: Pick<Sessions, 'each'>,
): void {
  let wasCurrent = true;
  const check = (): void => {
    const { isCurrent } = hearing;
    if (isCurrent !== wasCurrent) {
      if (isCurrent) logger.info({}, 'cluster: this hub hears of revocations again');
      else logger.error({}, 'cluster: this hub does not hear of revocations, identified sessions end');
    }
    wasCurrent = isCurrent;
    if (!isCurrent) endInBatches(identifiedOf(sessions), 0);
  };
  const timer = setInterval(check, CHECK_INTERVAL_MS);
  timer.unref();
  shutdown.add('tasks', () => clearInterval(timer));
}

function identifiedOf(sessions: Pick<Sessions, 'each'>): readonly Session[] {
  const identified: Session[] = [];
  for (const session of sessions.each()) if (isIdentified(session.principal)) identified.push(session);
  return identified;
}

function endInBatches(sessions: readonly Session[], start: number): void {
  const end = Math.min(sessions.length, start + BATCH_MAX);
  for (const session of sessions.slice(start, end))
    if (session.registryIndex >= 0) session.disconnect('identity_unavailable');
  if (end < sessions.length) setImmediate(endInBatches, sessions, end);
}
