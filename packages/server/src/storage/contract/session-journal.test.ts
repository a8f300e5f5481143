import { describe, expect, onTestFinished, test } from 'vitest';
import type { SessionJournalStore } from '../../core/session-journal/session-journal-store.ts';
import { NEWEST_PLACE } from '../../core/session-journal/session-journal-store.ts';
import type { JournalChange, SessionEnd, SessionRecord } from '../../core/session-journal/session-record.ts';
import { writeChanges } from '../../testing/journal-batches.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { MemorySessionStore } from '../memory/memory-session-store.ts';
import { openSessionStore } from '../sqlite/sessions/file-session-store.ts';

const BOUNDS = { sessionsMax: 80, ageMaxMs: 8000 };
const END: SessionEnd = { timeMs: 5, position: 12, reason: 'network', polls: 0, skipped: [], gaps: [] };

function session(number: number, more: Partial<SessionRecord> = {}): SessionRecord {
  return {
    number,
    id: `session-${number}`,
    transport: 'sse',
    kind: 'user',
    user: 'ann',
    key: undefined,
    client: 'tab-1',
    address: '203.0.113.7',
    excludesOwn: true,
    channels: ['orders.42', 'news.>'],
    changes: [],
    types: ['order.paid'],
    epoch: 'one',
    openedMs: number,
    openedAt: 7,
    end: undefined,
    ...more,
  };
}

function opened(number: number, more: Partial<SessionRecord> = {}): JournalChange {
  return { kind: 'opened', session: session(number, more) };
}

describe.each([
  ['sqlite', () => openSessionStore({ folder: temporaryFolder(), epoch: 'one', nowMs: 0, ...BOUNDS })],
  ['memory', () => new MemorySessionStore({ ...BOUNDS, epoch: 'one', nowMs: 0 })],
] as const)('The session journal in %s', (_name, open) => {
  function openStore(): SessionJournalStore {
    const store = open();
    onTestFinished(() => store.close(0));
    return store;
  }

  test('returns a session as it was written, by its number and by its id', () => {
    const store = openStore();
    writeChanges(
      store,
      [opened(1), opened(2, { user: undefined, transport: undefined, types: undefined, openedAt: undefined })],
      1,
    );
    expect(store.get(1)).toEqual(session(1));
    expect(store.find('session-2')).toEqual(
      session(2, { user: undefined, transport: undefined, types: undefined, openedAt: undefined }),
    );
    expect(store.find('session-3')).toBeUndefined();
    expect([store.oldestNumber, store.newestNumber]).toEqual([1, 2]);
  });

  test('records the end of a session, and ignores that of an unknown one', () => {
    const store = openStore();
    writeChanges(store, [opened(1)], 1);
    writeChanges(
      store,
      [
        { kind: 'ended', session: 1, user: 'ann', end: END },
        { kind: 'ended', session: 9, user: 'ann', end: END },
      ],
      2,
    );
    expect(store.get(1)).toEqual(session(1, { end: END }));
    expect(store.page(NEWEST_PLACE.number, 10)).toHaveLength(1);
  });

  test('records changed channels, and the user of a session that authenticates', () => {
    const store = openStore();
    const change = { timeMs: 3, position: 9, channels: ['a'], user: 'ann' };
    writeChanges(store, [opened(1, { user: undefined })], 1);
    writeChanges(store, [{ kind: 'changed', session: 1, change, authenticatedSinceMs: 1 }], 3);
    const later = { ...change, timeMs: 4, channels: ['a', 'b'] };
    writeChanges(store, [{ kind: 'changed', session: 1, change: later }], 4);
    expect(store.get(1)).toEqual(session(1, { changes: [change, later] }));
    expect(store.ofUser({ user: 'ann', fromMs: 0, limit: 5 })).toEqual([session(1, { changes: [change, later] })]);
  });

  test('selects the sessions of a user around a time', () => {
    const store = openStore();
    writeChanges(
      store,
      [1, 2, 3, 4, 5].map((number) =>
        opened(number, { openedMs: 1000 * number, ...(number === 3 && { user: 'bob' }) }),
      ),
      5000,
    );
    const numbers = (found: readonly SessionRecord[]): readonly number[] => found.map(({ number }) => number);
    expect(numbers(store.ofUser({ user: 'ann', fromMs: 2000, limit: 2 }))).toEqual([2, 4]);
    expect(numbers(store.ofUser({ user: 'ann', before: { openedMs: 5000, number: 5 }, limit: 2 }))).toEqual([4, 2]);
    expect(numbers(store.ofUser({ user: 'ann', before: NEWEST_PLACE, limit: 9 }))).toEqual([5, 4, 2, 1]);
    expect(numbers(store.page(4, 2))).toEqual([3, 2]);
  });

  test('removes the oldest sessions beyond its bound, and knows since when it is complete', () => {
    const store = openStore();
    for (let number = 1; number <= 200; number++) writeChanges(store, [opened(number)], number);
    const numbers = store.page(NEWEST_PLACE.number, 1000).map(({ number }) => number);
    expect(numbers.length).toBeGreaterThanOrEqual(70);
    expect(numbers.length).toBeLessThanOrEqual(80);
    expect(numbers[0]).toBe(200);
    expect(store.oldestNumber).toBe(numbers.at(-1));
    expect(store.sinceMs).toBeGreaterThan(200 - 81);
    expect(store.get(1)).toBeUndefined();
    expect(store.ofUser({ user: 'ann', fromMs: 0, limit: 1000 })).toHaveLength(numbers.length);
  });

  test('removes sessions by their age', () => {
    const store = openStore();
    writeChanges(store, [opened(1)], 1);
    writeChanges(store, [opened(2, { openedMs: 6000 })], 6000);
    writeChanges(store, [], 9500);
    expect(store.get(1)).toBeUndefined();
    expect(store.get(2)).toBeDefined();
  });

  test('erases all sessions of a user, and leaves the others', () => {
    const store = openStore();
    const change = { timeMs: 3, position: 9, channels: ['a'], user: 'ann' };
    const changed: JournalChange = { kind: 'changed', session: 1, change };
    writeChanges(store, [opened(1), opened(2, { user: 'bob' }), changed], 1);
    expect(store.eraseUser('ann')).toBe(1);
    expect(store.find('session-1')).toBeUndefined();
    expect(store.ofUser({ user: 'ann', fromMs: 0, limit: 5 })).toEqual([]);
    expect(store.get(2)).toBeDefined();
  });
});

test('in memory, sessions with long texts and sessions that change often are bounded by bytes', () => {
  const memory = new MemorySessionStore({ sessionsMax: 10_000, ageMaxMs: 8_000_000, epoch: 'one', nowMs: 0 });
  const channels = ['c'.repeat(4000)];
  writeChanges(
    memory,
    Array.from({ length: 5000 }, (_, index) => opened(index + 1, { channels })),
    5000,
  );
  // 16 MiB hold some 2,000 of them.
  expect(memory.oldestNumber).toBeGreaterThan(2500);
  expect(memory.oldestNumber).toBeLessThan(4000);
  expect(memory.sinceMs).toBe(memory.oldestNumber);
  for (let timeMs = 5001; timeMs <= 9000; timeMs++)
    writeChanges(
      memory,
      [{ kind: 'changed', session: 5000, change: { timeMs, position: timeMs, channels, user: 'ann' } }],
      9000,
    );
  const { changes = [] } = memory.get(5000) ?? {};
  expect(changes.length).toBeLessThan(130);
  expect(changes.at(-1)?.timeMs).toBe(9000);
  expect(memory.sinceMs).toBe(changes[0]?.timeMs);
});

test('the same changes give the same answers in SQLite and in memory', () => {
  const bounds = { sessionsMax: 10_000, ageMaxMs: 8_000_000 };
  const folder = temporaryFolder();
  const sqlite = openSessionStore({ folder, epoch: 'one', nowMs: 0, ...bounds });
  onTestFinished(() => sqlite.close(0));
  const memory = new MemorySessionStore({ ...bounds, epoch: 'one', nowMs: 0 });
  const random = createRandom(20_261_122);
  const users = ['ann', 'bob', 'cyd', undefined];
  const live: { number: number; user: string | undefined; openedMs: number }[] = [];
  let newest = 0;
  const randomChange = (nowMs: number): JournalChange => {
    const known = random.pick(live);
    const what = known === undefined ? 0 : random.below(4);
    if (known === undefined || what < 2) {
      const openedMs = nowMs - (random.below(20) === 0 ? random.below(nowMs) : random.below(1500));
      const user = random.pick(users);
      live.push({ number: ++newest, user, openedMs });
      return opened(newest, { user, openedMs });
    }
    const { number, openedMs } = known;
    if (what === 2) {
      live.splice(live.indexOf(known), 1);
      return { kind: 'ended', session: number, user: known.user, end: { ...END, timeMs: nowMs } };
    }
    const authenticatedSinceMs = known.user === undefined ? openedMs : undefined;
    const user = (known.user ??= 'ann');
    const change = { timeMs: nowMs, position: random.below(100), channels: [`c${random.below(9)}`], user };
    return {
      kind: 'changed',
      session: number,
      change,
      ...(authenticatedSinceMs !== undefined && { authenticatedSinceMs }),
    };
  };
  for (let nowMs = 2000; nowMs < 7_900_000; nowMs += 15_000) {
    const changes = Array.from({ length: random.below(6) }, () => randomChange(nowMs));
    for (const store of [sqlite, memory]) writeChanges(store, changes, nowMs);
  }
  expect(sqlite.eraseUser('cyd')).toBe(memory.eraseUser('cyd'));
  expect(sqlite.ofUser({ user: 'ann', before: NEWEST_PLACE, limit: 10_000 }).length).toBeGreaterThan(100);
  for (let round = 0; round < 40; round++) {
    const user = random.pick(['ann', 'bob', 'cyd']) ?? '';
    const limit = 1 + random.below(300);
    const timeMs = random.below(8_000_000);
    const number = random.below(newest + 2);
    for (const ask of [
      (store: SessionJournalStore) => store.ofUser({ user, fromMs: timeMs, limit }),
      (store: SessionJournalStore) => store.ofUser({ user, before: { openedMs: timeMs, number }, limit }),
      (store: SessionJournalStore) => store.page(number, limit),
      (store: SessionJournalStore) => [store.get(number), store.find(`session-${number}`)],
    ])
      expect(ask(sqlite)).toEqual(ask(memory));
  }
});

interface SeededRandom {
  below(count: number): number;
  pick<Value>(values: readonly Value[]): Value | undefined;
}

/** The same numbers for the same seed (xorshift). */
function createRandom(seed: number): SeededRandom {
  let state = seed;
  const below = (count: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % count;
  };
  return { below, pick: (values) => values[below(Math.max(1, values.length))] };
}
