import {
  comparePlaces,
  secondOf,
  type JournalChange,
  type SessionJournalStore,
} from '../../core/session-journal/session-journal-store.ts';
import type { RingBounds } from '../shared/ring-bounds.ts';
import type { SessionRecord } from '../../core/session-journal/session-record.ts';

/** The journal of a hub without a data folder has at most this many sessions, some 5 MB. */
const MEMORY_SESSIONS_MAX = 10_000;

interface MemorySessionBounds extends RingBounds {
  readonly nowMs: number;
}

/** The journal without a disk. It ends with the process. */
export function createMemorySessionStore({ sessionsMax, ageMaxMs, nowMs }: MemorySessionBounds): SessionJournalStore {
  const countMax = Math.min(sessionsMax, MEMORY_SESSIONS_MAX);
  // In the order of their numbers.
  const sessions = new Map<number, SessionRecord>();
  let sinceMs = nowMs;
  let newestNumber = 0;

  const apply = (change: JournalChange): void => {
    if (change.kind === 'opened') {
      newestNumber = change.session.number;
      sessions.set(newestNumber, change.session);
      return;
    }
    const known = sessions.get(change.session);
    if (known === undefined) return;
    const later =
      change.kind === 'ended'
        ? { end: change.end }
        : { changes: [...known.changes, change.change], user: known.user ?? change.change.user };
    sessions.set(change.session, { ...known, ...later });
  };
  const trim = (atMs: number): void => {
    for (const [number, { openedMs }] of sessions) {
      if (sessions.size <= countMax && openedMs >= atMs - ageMaxMs) break;
      sessions.delete(number);
      sinceMs = Math.max(sinceMs, openedMs + 1);
    }
  };

  return {
    get newestNumber() {
      return newestNumber;
    },
    get oldestNumber() {
      return sessions.keys().next().value ?? 0;
    },
    get sinceMs() {
      return sinceMs;
    },
    write(given, atMs) {
      given.forEach(apply);
      trim(atMs);
    },
    get: (number) => sessions.get(number),
    find: (id) => [...sessions.values()].findLast((session) => session.id === id),
    ofUser({ user, limit, ...query }) {
      const isForward = 'fromMs' in query;
      const found = [...sessions.values()].filter(
        (session) =>
          session.user === user &&
          (isForward ? secondOf(session.openedMs) >= secondOf(query.fromMs) : comparePlaces(session, query.before) < 0),
      );
      found.sort((one, other) => (isForward ? comparePlaces(one, other) : comparePlaces(other, one)));
      return found.slice(0, limit);
    },
    page: (before, limit) =>
      [...sessions.values()]
        .filter(({ number }) => number < before)
        .toReversed()
        .slice(0, limit),
    eraseUser(user, openedThroughMs = Infinity) {
      const erased = [...sessions.values()].filter(
        (session) => session.user === user && session.openedMs <= openedThroughMs,
      );
      for (const { number } of erased) sessions.delete(number);
      return erased.length;
    },
    stats: () => ({ sessions: sessions.size, bytes: 0 }),
    close: () => undefined,
  };
}
