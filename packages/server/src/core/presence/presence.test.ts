import { describe, expect, test } from 'vitest';
import { Presence } from './presence.ts';
import type { PresenceChange } from './presence-events.ts';
import type { PresenceSettings } from './presence-types.ts';
import { PresenceObserver, PublishedPresence } from './testing/presence-observer.ts';

const SETTINGS: PresenceSettings = {
  graceMs: 10_000,
  pollGraceMs: 60_000,
  listedMax: 100,
  systemEvents: false,
  newChannelsPerSecond: 10,
  newChannelsBurst: 100,
  membersBytesMax: 1e9,
  userMembersBytesMax: 1e9,
  infosBytesMax: 1e9,
};
const ROOM = 'room.1';

/** A presence with a clock that the test controls. */
function begin(settings: Partial<PresenceSettings> = {}) {
  const presence = new Presence({ ...SETTINGS, ...settings });
  let nowMs = 1000;
  return {
    presence,
    enter: (user?: string, info?: unknown, channel = ROOM) => presence.enter(channel, user, info, nowMs),
    leave: (user?: string, channel = ROOM) => presence.leave(channel, user, nowMs),
    poll: (user: string, channel = ROOM) => presence.poll(channel, user, undefined, nowMs),
    connect: (user: string) => presence.connect(user, nowMs),
    disconnect: (user: string) => presence.disconnect(user, nowMs),
    restore: (memory: PublishedPresence['stored']) => presence.restore(memory, nowMs),
    /** Advances the clock and returns the changes announced then. */
    after(durationMs: number, countMax = 1000): PresenceChange[] {
      nowMs += durationMs;
      presence.advance(nowMs);
      return presence.takeChanges(countMax, nowMs, nowMs);
    },
  };
}

/** The changes in few words. */
function words(changes: readonly PresenceChange[]): string[] {
  return changes.map((change) => {
    switch (change.kind) {
      case 'join':
      case 'update':
        return `${change.kind} ${change.user} ${change.sessions}`;
      case 'leave':
        return `leave ${change.user}`;
      case 'count':
        return `count ${change.users} ${change.anonymous} ${change.isListed ? 'listed' : 'counted'}`;
      case 'online':
      case 'offline':
        return `${change.kind} ${change.user} #${change.sequence}`;
      case 'occupied':
      case 'vacated':
        return `${change.kind} ${change.channel} #${change.sequence}`;
    }
  });
}

describe('a join or leave', () => {
  test('is published immediately for a join, and after the grace period for a leave', () => {
    const { enter, leave, after } = begin();
    enter('ann', { name: 'Ann' });
    expect(after(0)).toEqual([
      { kind: 'join', channel: ROOM, user: 'ann', info: { name: 'Ann' }, sessions: 1, sinceMs: 1000 },
    ]);
    leave('ann');
    expect(after(9_999)).toEqual([]);
    expect(words(after(1))).toEqual(['leave ann']);
  });

  test('is not published for a user who returns within the grace period', () => {
    const { enter, leave, after } = begin();
    enter('ann');
    after(0);
    leave('ann');
    after(9_999);
    enter('ann');
    expect(after(60_000)).toEqual([]);
  });

  test('is not published if the user leaves before the join is published', () => {
    const { presence, enter, leave, after } = begin();
    enter('ann');
    leave('ann');
    expect(after(0)).toEqual([]);
    expect(presence.nextMs).toBe(Infinity);
  });

  test('a reloaded page whose old session still exists causes no event', () => {
    const { enter, leave, after } = begin();
    enter('ann');
    after(0);
    enter('ann');
    after(2000);
    leave('ann');
    expect(after(60_000)).toEqual([]);
  });

  test('a second device is published after the grace period, and likewise its leaving', () => {
    const { enter, leave, after } = begin();
    enter('ann');
    after(0);
    enter('ann');
    expect(after(9_999)).toEqual([]);
    expect(words(after(1))).toEqual(['update ann 2']);
    leave('ann');
    expect(words(after(10_000))).toEqual(['update ann 1']);
  });

  test('1,000 reconnects a minute are one join, and one leave after the last', () => {
    const { enter, leave, after } = begin();
    const announced: PresenceChange[] = [];
    for (let round = 0; round < 1000; round++) {
      enter('ann');
      announced.push(...after(30));
      leave('ann');
      announced.push(...after(30));
    }
    announced.push(...after(60_000));
    expect(words(announced)).toEqual(['join ann 1', 'leave ann']);
  });

  test('a user that leaves soon after a second device left has the whole grace period', () => {
    const { enter, leave, after } = begin();
    enter('ann');
    after(0);
    enter('ann');
    after(5000);
    leave('ann');
    leave('ann');
    expect(after(9_999)).toEqual([]);
    expect(words(after(1))).toEqual(['leave ann']);
  });

  test('changed info of a user is published, and the same info is not', () => {
    const { enter, leave, after } = begin();
    enter('ann', { name: 'Ann' });
    after(0);
    enter('ann', { name: 'Ann' });
    leave('ann');
    expect(after(60_000)).toEqual([]);
    enter('ann', { name: 'Anna' });
    leave('ann');
    expect(after(10_000)).toEqual([
      { kind: 'update', channel: ROOM, user: 'ann', info: { name: 'Anna' }, sessions: 1, sinceMs: 1000 },
    ]);
  });
});

describe('users who poll', () => {
  test('are present between their requests', () => {
    const { poll, after } = begin();
    poll('ann');
    expect(words(after(0))).toEqual(['join ann 1']);
    for (let round = 0; round < 10; round++) {
      expect(after(59_999)).toEqual([]);
      poll('ann');
    }
    expect(after(60_000)).toEqual([]);
    expect(words(after(10_000))).toEqual(['leave ann']);
  });

  test('have not left if they then connect', () => {
    const { poll, enter, after } = begin();
    poll('ann');
    after(0);
    after(30_000);
    enter('ann');
    // The poll and the session both count until the poll's grace ends.
    expect(words(after(29_999))).toEqual(['update ann 2']);
    expect(words(after(1))).toEqual([]);
    expect(words(after(10_000))).toEqual(['update ann 1']);
  });
});

describe('anonymous sessions', () => {
  test('are counted', () => {
    const { presence, enter, leave, after } = begin();
    enter();
    expect(words(after(0))).toEqual(['count 0 1 listed']);
    enter();
    enter();
    expect(words(after(10_000))).toEqual(['count 0 3 listed']);
    expect(presence.snapshot(ROOM)).toEqual({ isListed: true, users: 0, anonymous: 3, members: [] });
    leave();
    leave();
    leave();
    expect(words(after(10_000))).toEqual(['count 0 0 listed']);
  });
});

describe('a channel with many users', () => {
  test('is counted from the limit on, and listed again well below it', () => {
    const { presence, enter, leave, after } = begin({ listedMax: 4 });
    for (const user of ['a', 'b', 'c', 'd', 'e']) enter(user);
    expect(words(after(0)).slice(4)).toEqual(['count 5 0 counted']);
    enter('f');
    expect(after(0)).toEqual([]);
    expect(after(9_999)).toEqual([]);
    expect(words(after(1))).toEqual(['count 6 0 counted']);
    expect(presence.snapshot(ROOM)).toEqual({ isListed: false, users: 6, anonymous: 0, members: [] });
    leave('a');
    leave('b');
    after(10_000);
    expect(words(after(10_000))).toEqual(['count 4 0 counted']);
    leave('c');
    after(10_000);
    expect(words(after(10_000))).toEqual(['count 3 0 listed', 'join d 1', 'join e 1', 'join f 1']);
  });
});

describe('system events', () => {
  test('report who is online, numbered in order, whatever the users read', () => {
    const { connect, disconnect, after } = begin({ systemEvents: true });
    connect('ann');
    connect('bob');
    connect('ann');
    expect(words(after(0))).toEqual(['online ann #1', 'online bob #2']);
    disconnect('ann');
    disconnect('ann');
    disconnect('bob');
    after(5000);
    connect('ann');
    expect(words(after(10_000))).toEqual(['offline bob #3']);
  });

  test('report which channels are occupied, by users or anonymous sessions', () => {
    const { enter, leave, after } = begin({ systemEvents: true });
    enter(undefined);
    expect(words(after(0))).toEqual(['count 0 1 listed', `occupied ${ROOM} #1`]);
    enter('ann');
    leave(undefined);
    expect(words(after(10_000))).toEqual(['join ann 1', 'count 1 0 listed']);
    leave('ann');
    expect(words(after(10_000))).toEqual(['leave ann', `vacated ${ROOM} #2`]);
  });
});

describe('after a restart', () => {
  test('users who return have not left, and the others leave after the grace period', () => {
    const before = begin({ systemEvents: true });
    const publishedState = new PublishedPresence();
    for (const user of ['ann', 'bob']) {
      before.enter(user, { name: user });
      before.connect(user);
    }
    for (const change of before.after(0)) publishedState.apply(change);
    const { presence, restore, enter, connect, after } = begin({ systemEvents: true });
    restore(publishedState.stored);
    expect(new PresenceObserver(presence.snapshot(ROOM)).members).toEqual(publishedState.channel(ROOM).members);
    enter('ann', { name: 'ann' });
    connect('ann');
    expect(after(9_999)).toEqual([]);
    expect(words(after(1))).toEqual(['leave bob', 'offline bob #3']);
  });

  test('a channel is counted again after a change', () => {
    const before = begin({ listedMax: 2 });
    const publishedState = new PublishedPresence();
    for (const user of ['a', 'b', 'c']) before.enter(user);
    for (const change of before.after(0)) publishedState.apply(change);
    const { presence, restore, enter, after } = begin({ listedMax: 2 });
    restore(publishedState.stored);
    expect(presence.snapshot(ROOM).users).toBe(3);
    enter('a');
    after(9_999);
    expect(words(after(1))).toEqual(['count 1 0 listed', 'join a 1']);
  });

  test('a channel that was occupied, and that no user enters again, is vacated', () => {
    const { restore, after } = begin({ systemEvents: true });
    restore({ channels: [], online: ['ann'], occupied: [ROOM], usersSequence: 7, channelsSequence: 9 });
    expect(words(after(10_000))).toEqual([`vacated ${ROOM} #10`, 'offline ann #8']);
  });
});

test('a reader that requests more and more channels has the further ones published later, and does not delay others', () => {
  const { presence, enter, leave, after } = begin({ newChannelsPerSecond: 10, newChannelsBurst: 20 });
  enter('bob');
  after(0);
  for (let index = 0; index < 1000; index++) enter('ann', undefined, `made-up.${index}`);
  expect(after(0)).toHaveLength(19);
  enter('cyd');
  expect(words(after(0))).toEqual(['join cyd 1']);
  expect(after(1000)).toHaveLength(10);
  for (let index = 0; index < 1000; index++) leave('ann', `made-up.${index}`);
  after(1000);
  expect(after(10_000).every(({ kind }) => kind === 'leave')).toBe(true);
  expect(presence.size).toBe(1);
});

test('nothing is stored for empty channels', () => {
  const { presence, enter, leave, after } = begin({ systemEvents: true, listedMax: 1 });
  for (const user of ['a', 'b', undefined]) enter(user);
  after(0);
  for (const user of ['a', 'b', undefined]) leave(user);
  for (let round = 0; round < 5; round++) after(10_000);
  expect(presence.size).toBe(0);
  expect(presence.nextMs).toBe(Infinity);
  expect(presence.isReady).toBe(false);
});

describe('the memory of members', () => {
  const ALL = { membersBytesMax: 10_000, userMembersBytesMax: 4000, infosBytesMax: 3000 };

  test('is bounded, per user and in total, and released when they leave', () => {
    const { presence, enter, leave, after } = begin({ ...ALL, graceMs: 1000 });
    const rooms = Array.from({ length: 100 }, (_, index) => `room.${index}`);
    expect(presence.hasCapacity(rooms.slice(0, 5), 'ann')).toBe(true);
    for (const room of rooms.slice(0, 5)) enter('ann', undefined, room);
    expect(presence.hasCapacity(rooms.slice(0, 5), 'ann')).toBe(true);
    expect(presence.hasCapacity(rooms.slice(5, 6), 'ann')).toBe(false);
    expect(presence.hasCapacity(rooms.slice(5, 6), 'bob')).toBe(true);
    expect(presence.hasCapacity(rooms.slice(5), undefined)).toBe(false);
    expect(presence.memoryUsage.presence_members).toMatchObject({ bytesMax: 10_000, refused: 2 });
    after(0);
    for (const room of rooms.slice(0, 5)) leave('ann', room);
    after(1000);
    expect([presence.memoryUsage.presence_members.bytes, presence.hasCapacity(rooms.slice(5, 10), 'ann')]).toEqual([
      0,
      true,
    ]);
  });

  test('of infos is bounded: equal ones count once, and beyond the limit a user has none', () => {
    const { presence, enter, leave, after } = begin({ ...ALL, graceMs: 1000 });
    const info = (letter: string): object => ({ name: letter.repeat(100) });
    for (const user of ['ann', 'bob', 'cem']) enter(user, info('a'));
    enter('dan', info('d'));
    enter('eve', info('e'));
    after(0);
    const shown = (): unknown[] => presence.snapshot(ROOM).members.map((each) => [each.user, each.info !== undefined]);
    expect(shown()).toEqual([
      ['ann', true],
      ['bob', true],
      ['cem', true],
      ['dan', true],
      ['eve', false],
    ]);
    expect(presence.memoryUsage.presence_info).toMatchObject({ refused: 1 });
    expect(presence.memoryUsage.presence_info.bytes).toBeLessThanOrEqual(3000);
    for (const user of ['ann', 'bob', 'cem', 'dan']) leave(user);
    after(1000);
    enter('eve', info('e'));
    after(1000);
    expect(shown()).toEqual([['eve', true]]);
    leave('eve');
    leave('eve');
    after(1000);
    expect(presence.memoryUsage.presence_info.bytes).toBe(0);
  });
});
