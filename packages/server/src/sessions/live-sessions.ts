import { matches } from '@polycast/protocol';
import type { Sessions, Session } from '../auth/sessions.ts';
import type { Poller } from './pollers.ts';
import type { SessionJournal } from './session-journal.ts';

/** The parts that know which sessions there are. */
export interface SessionSources {
  readonly sessions: Sessions;
  /** `undefined`: sessions are not recorded, and there are no pollers. */
  readonly journal: SessionJournal | undefined;
}

/** A session that is live now: a stream, a poll that waits, or a poller. */
export type LiveSession = Session | Poller;

export function isPoller(session: LiveSession): session is Poller {
  return 'answeredMs' in session;
}

/** All live sessions, or those of a user. A poll that waits counts as its poller. */
export function* liveSessions({ sessions, journal }: SessionSources, user?: string): Generator<LiveSession> {
  const pollers = journal?.pollers;
  for (const session of user === undefined ? sessions.each() : sessions.ofUser(user)) {
    if (session.isMomentary) continue;
    const owner = session.transport === 'long-poll' ? session.principal.user : undefined;
    if (owner !== undefined && pollers?.ofUser(owner).some(({ channels }) => channels === session.channels)) continue;
    yield session;
  }
  if (pollers !== undefined) yield* user === undefined ? pollers.each() : pollers.ofUser(user);
}

/** The live session with this id. It visits every session. */
export function liveSession(sources: SessionSources, id: string): LiveSession | undefined {
  for (const session of liveSessions(sources)) if (session.id === id) return session;
  return undefined;
}

/** Ends one live session. Its client may connect again immediately. */
export function endSession({ sessions, journal }: SessionSources, session: LiveSession): void {
  if (!isPoller(session)) return session.drain(0, 'ended');
  const { user = '' } = session.principal;
  for (const waiting of sessions.ofUser(user))
    if (waiting.transport === 'long-poll' && waiting.channels === session.channels) waiting.drain(0, 'ended');
  journal?.pollers.end(session, 'ended');
}

export function readsChannel(channels: readonly string[], channel: string): boolean {
  return channels.some((pattern) => matches(pattern, channel));
}

/** The first `count` sessions with ids after one, in the order of their ids, in one pass. */
export function firstAfterId(
  live: Iterable<LiveSession>,
  after: string,
  count: number,
  isWanted: (session: LiveSession) => boolean,
): readonly LiveSession[] {
  const first: LiveSession[] = [];
  for (const session of live) {
    const last = first.at(-1);
    if (session.id <= after || (first.length === count && last !== undefined && session.id > last.id)) continue;
    if (!isWanted(session)) continue;
    const at = first.findIndex(({ id }) => id > session.id);
    first.splice(at < 0 ? first.length : at, 0, session);
    if (first.length > count) first.pop();
  }
  return first;
}
