import type { Position } from '../core/ports.ts';
import { ErasureTask, type ErasureParticipant } from '../operate/erasure-task.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';
import type { IdentityPart } from './identity.ts';
import type { SessionPart } from './sessions.ts';

/**
 * Creates the task that erases events, channels and the data of users. It runs once it is started.
 */
export function createErasureTask(
  { world: { clock, random }, logger, shutdown }: HubBase,
  { log, feed }: CorePart,
  identity: IdentityPart,
  engine: SubscriptionEngine,
  { journal, presence }: Pick<SessionPart, 'journal' | 'presence'>,
): ErasureTask {
  const onError = (error: unknown): void => logger.error({ error: String(error) }, 'erasure: step failed, retrying');
  // What each hub has of its own.
  const own = {
    // Readers have to find the log when they look again, so memory drops the events first.
    events: (positions: readonly Position[]) => feed.onErased(positions),
    async names(user: string | undefined) {
      if (user !== undefined) journal?.eraseUser(user);
      // The rows themselves went when the user left. Their bytes go now.
      await presence.eraseRemoved();
    },
  };
  const participants: ErasureParticipant[] = [engine.erasure];
  if (log.shared === undefined)
    participants.unshift({
      release: ({ positions }) => own.events(positions),
      eraseNames: async ({ channels, user }) => {
        if (channels.length > 0) await own.names(user);
      },
    });
  else {
    log.shared.onErased(own);
    eraseMissed(identity, journal, onError);
  }
  const erasure = new ErasureTask({
    log,
    requests: identity.store.erasureRequests,
    participants,
    clock,
    token: () => random.token(),
    onError,
  });
  shutdown.add('tasks', () => erasure.close());
  return erasure;
}

/** Users who were erased while this hub of a cluster did not run, or at its end. */
function eraseMissed(
  { store: { erasedUsers, erasureRequests } }: IdentityPart,
  journal: SessionPart['journal'],
  onError: (error: unknown) => void,
): void {
  const requested = erasureRequests.pending.filter(({ kind }) => kind === 'user');
  const missed = [...erasedUsers, ...requested.map(({ name: user, requestedMs }) => ({ user, requestedMs }))];
  try {
    for (const { user, requestedMs } of missed) journal?.eraseEarlier(user, requestedMs);
  } catch (error) {
    onError(error);
  }
}
