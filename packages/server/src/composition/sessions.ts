import { Sessions } from '../auth/sessions.ts';
import type { Clock, SharedLog } from '../core/ports.ts';
import { SessionJournal } from '../sessions/session-journal.ts';
import { membersBytesMax, openPresence } from '../presence/open-presence.ts';
import type { PresenceParts, PresenceService } from '../presence/presence-task.ts';
import type { PresenceConfiguration } from '../presence/open-presence.ts';
import { sessionsClosed } from '../operate/drain.ts';
import type { Storage } from '../storage/open-storage.ts';
import { explainEventRoute } from '../explain/explain-route.ts';
import type { Route } from '../auth/route.ts';
import type { AuthParts } from '../auth/auth-parts.ts';
import type { IdentityPart } from './identity.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { CorePart } from './core.ts';
import type { HubProcesses } from './processes/hub-processes.ts';

/** The live sessions, and the presence that follows from them. */
export interface SessionPart {
  readonly sessions: Sessions;
  /** `undefined`: the configuration records no sessions. */
  readonly journal: SessionJournal | undefined;
  readonly presence: PresenceService;
}

export async function openSessions(
  { config, world: { clock, random }, wheel, logger, shutdown, reloader }: HubBase,
  storage: Storage,
  core: CorePart,
  processes: HubProcesses | undefined,
): Promise<SessionPart> {
  const { publisher, log } = core;
  const sessions = new Sessions(random);
  const isFollower = processes?.place.role === 'follower';
  const settings = isFollower ? withoutPresence(config) : config;
  const presence = openPresence(
    settings,
    () => storage.openPresence(),
    { publisher, log, clock, wheel, logger },
    await sharedPresence(log.shared),
  );
  sessions.listen(presence);
  // The owner records the sessions of all processes.
  const journal = isFollower ? undefined : openJournal({ config, clock, wheel, logger }, storage, sessions);
  reloader.add(
    ({ limits }) =>
      () =>
        presence.setMembersBytesMax(membersBytesMax(limits)),
  );
  shutdown.onDrain(() => sessions.drain());
  shutdown.add('announcements', () => presence.freeze());
  shutdown.add('connections', () => {
    for (const session of sessions.each()) session.destroy();
  });
  shutdown.add('presence', () => presence.close());
  shutdown.add('sessions', () => sessionsClosed(sessions));
  shutdown.add('identity', () => journal?.close());
  return { sessions, journal, presence };
}

/** A hub without a cluster does not load it. */
async function sharedPresence(
  shared: SharedLog | undefined,
): Promise<((parts: PresenceParts) => PresenceService) | undefined> {
  if (shared === undefined) return undefined;
  const { ClusterPresence } = await import('../presence/cluster-presence.ts');
  return (parts) => new ClusterPresence(parts, shared);
}

function openJournal(
  { config, clock, wheel, logger }: Pick<HubBase, 'config' | 'wheel' | 'logger'> & { readonly clock: Clock },
  { log, openSessionJournal }: Storage,
  sessions: Sessions,
): SessionJournal | undefined {
  if (config.sessions.journalEntriesMax === 0) return undefined;
  const journal = new SessionJournal({
    store: openSessionJournal(),
    settings: config.sessions,
    epoch: log.state.epoch,
    clock,
    wheel,
    createId: () => sessions.createId(),
    sessionsOf: (user) => sessions.ofUser(user),
    logger,
  });
  sessions.listen(journal);
  return journal;
}

/** The parts that know something about the way of an event. */
interface ExplainNeeds extends CorePart, SessionPart {
  readonly identity: Pick<IdentityPart, 'access'>;
  readonly engine: SubscriptionEngine;
}

/**
 * The route that explains why an event reached a reader. It remembers when the rules were loaded.
 */
export function createExplainRoute(
  { world: { clock }, reloader }: HubBase,
  { log, feed, rules, sessions, journal, identity: { access }, engine: { subscriptions } }: ExplainNeeds,
  auth: AuthParts,
): Route {
  let loaded = { timeMs: clock.nowMs(), byReload: false };
  reloader.add(() => () => void (loaded = { timeMs: clock.nowMs(), byReload: true }));
  return explainEventRoute({
    auth,
    feed,
    log,
    rules,
    sessions,
    journal,
    access,
    subscriptions,
    rulesLoaded: () => loaded,
  });
}

/** The owner alone announces presence, from the sessions of all processes. */
function withoutPresence({ limits, presence }: PresenceConfiguration): PresenceConfiguration {
  return { limits, presence: { ...presence, systemEvents: false }, rules: [], defaults: {} };
}
