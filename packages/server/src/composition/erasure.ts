import { ErasureTask, type ErasureParticipant } from '../operate/erasure-task.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';
import type { IdentityPart } from './identity.ts';
import type { SessionPart } from './sessions.ts';

/** Creates the task that erases events, channels and the data of users. It runs once it is started. */
export function createErasureTask(
  { world: { clock, random }, logger, shutdown }: HubBase,
  { log, feed }: CorePart,
  identity: IdentityPart,
  engine: SubscriptionEngine,
  { journal, presence }: Pick<SessionPart, 'journal' | 'presence'>,
): ErasureTask {
  // Readers have to find the log when they look again, so memory drops the events first.
  const tail: ErasureParticipant = { release: ({ positions }) => feed.onErased(positions) };
  const sessions: ErasureParticipant = {
    eraseNames: async ({ user }) => {
      if (user !== undefined) journal?.eraseUser(user);
    },
  };
  // The rows themselves went when the user left. Their bytes go now.
  const present: ErasureParticipant = {
    eraseNames: async ({ channels }) => {
      if (channels.length > 0) await presence.eraseRemoved();
    },
  };
  const erasure = new ErasureTask({
    log,
    requests: identity.store.erasureRequests,
    participants: [tail, engine.erasure, sessions, present],
    clock,
    token: () => random.token(),
    onError: (error) => logger.error({ error: String(error) }, 'erasure: step failed, retrying'),
  });
  shutdown.add('tasks', () => erasure.close());
  return erasure;
}
