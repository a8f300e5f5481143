import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { StoredPresence } from '../core/presence/presence-types.ts';
import { createMemoryPresence, createMemoryPresenceStore } from '../storage/memory/memory-presence-store.ts';
import { PresenceReport, type ReportedSession } from './presence-report.ts';
import { storedDifference } from './stored-difference.ts';

/** The hub that asks: what it has after the answers that arrived. */
class Asking {
  number: number | undefined;
  readonly sessions = new Map<string, ReportedSession>();

  ask(report: PresenceReport, isLost: boolean): boolean {
    const { number, isFull, present, gone } = report.report(this.number);
    if (isLost) return isFull;
    this.number = number;
    if (isFull) this.sessions.clear();
    for (const id of gone) this.sessions.delete(id);
    for (const session of present) this.sessions.set(session.id, session);
    return isFull;
  }
}

const action = fc.oneof(
  fc.record({ kind: fc.constant('set'), id: fc.integer({ min: 0, max: 5 }), channels: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ kind: fc.constant('delete'), id: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ kind: fc.constant('ask'), who: fc.integer({ min: 0, max: 1 }), isLost: fc.boolean() }),
);

test('the hub that asks has all sessions after each answer, also when answers are lost and another hub asks between', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const report = new PresenceReport();
      const sessions = new Map<string, ReportedSession>();
      const asking = [new Asking(), new Asking()] as const;
      for (const each of actions) {
        if ('channels' in each) {
          const session = { id: `${each.id}`, user: 'ann', channels: [`room.${each.channels}`] };
          sessions.set(session.id, session);
          report.set(session);
        } else if ('id' in each) {
          sessions.delete(`${each.id}`);
          report.delete(`${each.id}`);
        } else {
          const hub = asking[each.who] as Asking;
          hub.ask(report, each.isLost);
          if (!each.isLost) expect(sorted(hub.sessions)).toEqual(sorted(sessions));
        }
      }
    }),
  );
});

test('a report has the changes alone, and all sessions when too many have changed', () => {
  const report = new PresenceReport();
  const asking = new Asking();
  const session = (number: number): ReportedSession => ({ id: `${number}`, channels: ['room.1'] });
  for (let number = 0; number < 10; number++) report.set(session(number));
  expect([asking.ask(report, false), asking.sessions.size]).toEqual([true, 10]);
  report.delete('3');
  expect(report.report(asking.number)).toMatchObject({ isFull: false, present: [], gone: ['3'] });
  for (let number = 10; number < 30_000; number++) report.set(session(number));
  expect([asking.ask(report, false), asking.sessions.size]).toEqual([true, 29_999]);
});

test('a report is full when many answers with changes were lost', () => {
  const report = new PresenceReport();
  const asking = new Asking();
  expect(asking.ask(report, false)).toBe(true);
  const change = (from: number): void => {
    for (let id = from; id < from + 15_000; id++) report.set({ id: `${id}`, channels: ['room.1'] });
  };
  change(0);
  expect(asking.ask(report, true)).toBe(false);
  change(15_000);
  expect([asking.ask(report, false), asking.sessions.size]).toEqual([true, 30_000]);
  change(0);
  expect([asking.ask(report, false), asking.sessions.size]).toEqual([false, 30_000]);
});

test('the difference of two stored presences makes one of them the other', () => {
  const member = (user: string, sessions: number) => ({ user, info: undefined, sessions, sinceMs: 5 });
  const own: StoredPresence = {
    channels: [
      { channel: 'room.1', isListed: true, users: 0, anonymous: 2, members: [member('ann', 1), member('bob', 1)] },
      { channel: 'room.2', isListed: false, users: 7, anonymous: 0, members: [] },
      { channel: 'room.3', isListed: true, users: 0, anonymous: 0, members: [member('ann', 3)] },
    ],
    online: ['ann', 'bob'],
    occupied: ['room.1', 'room.2', 'room.3'],
    usersSequence: 4,
    channelsSequence: 6,
  };
  const wanted: StoredPresence = {
    channels: [
      { channel: 'room.1', isListed: true, users: 0, anonymous: 0, members: [member('bob', 2), member('cleo', 1)] },
      { channel: 'room.4', isListed: false, users: 9, anonymous: 1, members: [] },
    ],
    online: ['bob', 'cleo'],
    occupied: ['room.1', 'room.4'],
    usersSequence: 8,
    channelsSequence: 9,
  };
  const [store, other] = [emptyStore(), emptyStore()];
  const nothing = { channels: [], online: [], occupied: [], usersSequence: 0, channelsSequence: 0 };
  store.apply(storedDifference(nothing, own), 1);
  store.apply(storedDifference(store.load(), wanted), 2);
  other.apply(storedDifference(nothing, wanted), 2);
  expect(normal(store.load())).toEqual(normal(other.load()));
  expect(store.load()).toMatchObject({ usersSequence: 8, channelsSequence: 9, online: ['bob', 'cleo'] });
});

function sorted(sessions: ReadonlyMap<string, ReportedSession>): readonly ReportedSession[] {
  return [...sessions.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1));
}

function normal({ channels, online, occupied, ...rest }: StoredPresence): object {
  const byName = channels.toSorted((one, other) => (one.channel < other.channel ? -1 : 1));
  return { ...rest, channels: byName, online: online.toSorted(), occupied: occupied.toSorted() };
}

function emptyStore(): PresenceStore {
  return createMemoryPresenceStore('e', createMemoryPresence());
}
