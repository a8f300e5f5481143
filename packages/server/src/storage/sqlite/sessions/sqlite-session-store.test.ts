import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { NEWEST_PLACE, type SessionJournalStore } from '../../../core/session-journal/session-journal-store.ts';
import type { SessionRecord } from '../../../core/session-journal/session-record.ts';
import { writeChanges } from '../../../testing/journal-batches.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { openSessionStore } from './sqlite-session-store.ts';

const SESSION: SessionRecord = {
  number: 1,
  id: 'one',
  transport: 'websocket',
  kind: 'user',
  user: 'ann-of-the-green-house',
  key: undefined,
  client: undefined,
  address: '203.0.113.7',
  excludesOwn: false,
  channels: ['orders.42'],
  changes: [],
  types: undefined,
  epoch: 'first',
  openedMs: 100,
  openedAt: 7,
  end: undefined,
};

function storeIn(folder: string, epoch: string = 'first', nowMs: number = 100): SessionJournalStore {
  const store = openSessionStore({ folder, epoch, nowMs, sessionsMax: 1000, ageMaxMs: 1_000_000 });
  onTestFinished(() => store.close(nowMs));
  return store;
}

test("only the hub's user may read it", () => {
  const folder = temporaryFolder();
  writeChanges(storeIn(folder), [{ kind: 'opened', session: SESSION }], 100);
  expect(readdirSync(folder)).toContain('sessions.sqlite');
  for (const name of readdirSync(folder)) expect([name, statSync(join(folder, name)).mode & 0o077]).toEqual([name, 0]);
});

test('a session that was live when its hub died ended with it, at the last write of that hub', () => {
  const folder = temporaryFolder();
  const killed = storeIn(folder);
  writeChanges(killed, [{ kind: 'opened', session: SESSION }], 150);
  const store = storeIn(folder, 'second', 900);
  expect(store.get(1)).toEqual({
    ...SESSION,
    end: { timeMs: 150, position: undefined, reason: 'hub', polls: 0, skipped: [], gaps: [] },
  });
  expect(store.newestNumber).toBe(1);
  expect(store.sinceMs).toBe(100);
});

test('that is damaged is created again', () => {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, 'sessions.sqlite'),
    'no database at all, and long enough to be looked at as one'.repeat(100),
  );
  expect(storeIn(folder).newestNumber).toBe(0);
});

test('an erased user is gone from all files', () => {
  const folder = temporaryFolder();
  const store = storeIn(folder);
  writeChanges(store, [{ kind: 'opened', session: SESSION }], 100);
  const texts = (): string =>
    readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'latin1'))
      .join('');
  expect(texts()).toContain(SESSION.user);
  store.eraseUser(SESSION.user as string);
  expect(texts()).not.toContain(SESSION.user);
});

test('what is written while the file is locked is not stored, and can be written again', () => {
  const folder = temporaryFolder();
  const store = storeIn(folder);
  const other = new DatabaseSync(join(folder, 'sessions.sqlite'));
  other.exec('BEGIN IMMEDIATE');
  const write = (): void => writeChanges(store, [{ kind: 'opened', session: SESSION }], 100);
  expect(write).toThrow(/locked/);
  expect([store.newestNumber, store.get(1), store.stats().sessions]).toEqual([0, undefined, 0]);
  other.close();
  write();
  expect(store.get(1)).toEqual(SESSION);
});

test('goes on where it was after a restart, within a segment', () => {
  const folder = temporaryFolder();
  const write = (store: SessionJournalStore, first: number, last: number): void => {
    for (let number = first; number <= last; number++)
      writeChanges(
        store,
        [{ kind: 'opened', session: { ...SESSION, number, id: `id-${number}`, openedMs: number } }],
        number,
      );
  };
  const before = openSessionStore({ folder, epoch: 'first', nowMs: 1, sessionsMax: 1000, ageMaxMs: 1_000_000 });
  write(before, 1, 300);
  before.close(300);
  const after = storeIn(folder, 'first', 300);
  write(after, 301, 600);
  expect(after.newestNumber).toBe(600);
  for (const number of [1, 125, 126, 300, 301, 600]) expect(after.find(`id-${number}`)?.number).toBe(number);
  const { user } = SESSION as { readonly user: string };
  expect(after.ofUser({ user, before: NEWEST_PLACE, limit: 1000 })).toHaveLength(600);
  expect(after.page(NEWEST_PLACE.number, 1000).map(({ number }) => number)).toEqual(
    Array.from({ length: 600 }, (_, index) => 600 - index),
  );
});

test('a crowd of sessions that differ in little is stored in short lines, which outlive the first one', () => {
  const folder = temporaryFolder();
  const crowd = ['ann', 'bob', 'cid', undefined].map((user, index) => ({
    ...SESSION,
    number: index + 1,
    id: `"${index}"`,
    user,
    openedMs: 100 + index,
    openedAt: index === 3 ? undefined : index,
  }));
  const other = { ...SESSION, number: 5, id: 'other', channels: ['orders.42', 'news'] };
  const store = storeIn(folder);
  writeChanges(
    store,
    [...crowd, other].map((session) => ({ kind: 'opened', session }) as const),
    100,
  );
  const { lines } = new DatabaseSync(join(folder, 'sessions.sqlite')).prepare('SELECT lines FROM batch').get() as {
    readonly lines: string;
  };
  expect(lines.split('\n').map((line) => line[1])).toEqual(['0', '3', '3', '3', '0']);
  expect(store.page(6, 5)).toEqual([other, ...crowd.toReversed()]);
  store.eraseUser('ann');
  store.eraseUser('cid');
  expect(store.page(6, 5)).toEqual([other, crowd[3], crowd[1]]);
  store.close(100);
  expect(storeIn(folder, 'second', 200).find('"1"')?.openedMs).toBe(101);
});
