import { Sessions } from '../auth/sessions.ts';
import { membersBytesMax, openPresence } from '../presence/open-presence.ts';
import type { PresenceTask } from '../presence/presence-task.ts';
import type { Storage } from '../storage/open-storage.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';

/** The live sessions, and the presence that follows from them. */
export interface SessionPart {
  readonly sessions: Sessions;
  readonly presence: PresenceTask;
}

export function openSessions(
  { config, world: { clock, random }, wheel, logger, shutdown, reloader }: HubBase,
  storage: Storage,
  core: CorePart,
): SessionPart {
  const { publisher, log } = core;
  const sessions = new Sessions(random);
  const presence = openPresence(config, () => storage.openPresence(), { publisher, log, clock, wheel, logger });
  sessions.listen(presence);
  reloader.add(
    ({ limits }) =>
      () =>
        presence.setMembersBytesMax(membersBytesMax(limits)),
  );
  shutdown.add('announcements', () => presence.freeze());
  shutdown.add('connections', () => {
    for (const session of sessions.each()) session.destroy();
  });
  shutdown.add('presence', () => presence.close());
  return { sessions, presence };
}
