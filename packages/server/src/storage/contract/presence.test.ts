import { describe, expect, onTestFinished, test } from 'vitest';
import type { PresenceChange } from '../../core/presence/presence-events.ts';
import type { PresenceStore } from '../../core/presence/presence-store.ts';
import type { StoredPresence } from '../../core/presence/presence-types.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { createMemoryPresence, createMemoryPresenceStore } from '../memory/memory-presence-store.ts';
import { openPresenceStore } from '../sqlite/presence/sqlite-presence-store.ts';

/** Tests for the contract of `PresenceStore`. A home gives a store that can be opened again. */
const HOMES: Readonly<Record<string, () => (epoch: string) => PresenceStore>> = {
  memory: () => {
    const presence = createMemoryPresence();
    return (epoch) => createMemoryPresenceStore(epoch, presence);
  },
  sqlite: () => {
    const folder = temporaryFolder();
    return (epoch) => openPresenceStore(folder, epoch);
  },
};

const EMPTY: StoredPresence = { channels: [], online: [], occupied: [], usersSequence: 0, channelsSequence: 0 };

function member(user: string, sinceMs: number, info?: unknown) {
  return { user, info, sessions: 1, sinceMs };
}

function joined(channel: string, user: string, sinceMs: number, info?: unknown): PresenceChange {
  return { kind: 'join', channel, ...member(user, sinceMs, info) };
}

describe.each(Object.keys(HOMES))('%s', (name) => {
  function opener(): (epoch?: string) => PresenceStore {
    const open = HOMES[name]?.() as (epoch: string) => PresenceStore;
    const opened: PresenceStore[] = [];
    const close = (): void => opened.forEach((store) => store.close());
    onTestFinished(close);
    return (epoch = 'one') => {
      close();
      const store = open(epoch);
      opened.push(store);
      return store;
    };
  }

  test('a new store is empty, before the first event', () => {
    const store = opener()();
    expect(store.position).toBe(0);
    expect(store.load()).toEqual(EMPTY);
  });

  test('applied changes exist after a reopening, with their position', () => {
    const open = opener();
    const store = open();
    store.apply([joined('room.1', 'ann', 5, { name: 'Ann' }), joined('room.1', 'bob', 6)], 3);
    store.apply([{ kind: 'update', channel: 'room.1', ...member('bob', 6, 'b'), sessions: 2 }], 4);
    store.apply(
      [
        { kind: 'count', channel: 'room.1', users: 2, anonymous: 1, isListed: true },
        { kind: 'online', user: 'ann', sequence: 7 },
        { kind: 'occupied', channel: 'room.1', sequence: 8 },
      ],
      9,
    );
    const expected: StoredPresence = {
      channels: [
        {
          channel: 'room.1',
          isListed: true,
          users: 2,
          anonymous: 1,
          members: [member('ann', 5, { name: 'Ann' }), { ...member('bob', 6, 'b'), sessions: 2 }],
        },
      ],
      online: ['ann'],
      occupied: ['room.1'],
      usersSequence: 7,
      channelsSequence: 8,
    };
    expect(store.load()).toEqual(expected);
    const again = open();
    expect(again.position).toBe(9);
    expect(again.load()).toEqual(expected);
  });

  test('users who left are gone, and so is a channel without members and counts', () => {
    const open = opener();
    open().apply(
      [
        joined('room.1', 'ann', 1),
        { kind: 'count', channel: 'room.1', users: 1, anonymous: 2, isListed: true },
        { kind: 'online', user: 'ann', sequence: 1 },
        { kind: 'occupied', channel: 'room.1', sequence: 1 },
        { kind: 'leave', channel: 'room.1', user: 'ann' },
        { kind: 'leave', channel: 'room.2', user: 'nobody' },
        { kind: 'offline', user: 'ann', sequence: 2 },
        { kind: 'vacated', channel: 'room.1', sequence: 2 },
      ],
      8,
    );
    const store = open();
    const channel = { channel: 'room.1', isListed: true, users: 1, anonymous: 2, members: [] };
    const gone = { ...EMPTY, usersSequence: 2, channelsSequence: 2 };
    expect(store.load()).toEqual({ ...gone, channels: [channel] });
    store.apply([{ kind: 'count', channel: 'room.1', users: 0, anonymous: 0, isListed: true }], 9);
    expect(open().load()).toEqual(gone);
  });

  test('a channel that is counted has counts and no members', () => {
    const open = opener();
    const counts = { channel: 'room.1', users: 11, anonymous: 0, isListed: false };
    open().apply([joined('room.1', 'ann', 1), { kind: 'count', ...counts }], 2);
    expect(open().load().channels).toEqual([{ ...counts, members: [] }]);
  });

  test('after a new epoch only the sequences remain', () => {
    const open = opener();
    open().apply(
      [
        joined('room.1', 'ann', 1),
        { kind: 'count', channel: 'room.2', users: 11, anonymous: 1, isListed: false },
        { kind: 'online', user: 'ann', sequence: 3 },
        { kind: 'occupied', channel: 'room.1', sequence: 4 },
      ],
      5,
    );
    const store = open('two');
    expect(store.position).toBe(0);
    expect(store.load()).toEqual({ ...EMPTY, usersSequence: 3, channelsSequence: 4 });
    store.apply([joined('room.1', 'bob', 1)], 2);
    expect(
      open('two')
        .load()
        .channels.map(({ members }) => members),
    ).toEqual([[member('bob', 1)]]);
  });
});
