import { NO_JOURNAL } from '../../subscriptions/state/in-flight-journal.ts';
import type { Home } from '../home.ts';
import { ATTEMPT_BOUNDS } from '../shared/attempt-bounds.ts';
import { createMemoryIdentityStore } from './memory-identity-store.ts';
import { createMemoryLog } from './memory-log.ts';
import { createMemoryPresenceStore } from './memory-presence-store.ts';
import { MemorySessionStore } from './memory-session-store.ts';
import { ringBounds } from '../shared/ring-bounds.ts';
import { createMemorySubscriptionStore } from './memory-subscription-store.ts';

/** The memory of this process. The data ends with the process. */
export const memoryHome: Home = {
  /** No other process can reach the memory. */
  lock: () => () => undefined,
  openLog: async ({ limits: { channelsMax }, clock, random }) =>
    createMemoryLog({ channelsMax, nowMs: () => clock.nowMs(), chance: () => random.fraction() }),
  openView: async ({ identity: { auditEntriesMax } }) =>
    (await import('./memory-view.ts')).createMemoryView(auditEntriesMax),
  wipeView: async () => undefined,
  openSubscriptions: async ({ subscriptions: { attemptsKept, attemptsKeptMax } }) =>
    createMemorySubscriptionStore(undefined, { ...ATTEMPT_BOUNDS, attemptsKept, attemptsKeptMax }),
  openIdentity: ({ identity: { auditEntriesMax } }) => createMemoryIdentityStore(auditEntriesMax),
  openPresence: (_options, epoch) => createMemoryPresenceStore(epoch),
  openSessionJournal: ({ sessions, clock }, epoch) =>
    new MemorySessionStore({ epoch, nowMs: clock.nowMs(), ...ringBounds(sessions) }),
  openInFlightJournal: () => NO_JOURNAL,
};
