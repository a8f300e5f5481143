import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { LineReader } from '../../../core/session-journal/change-lines.ts';
import { hashOf } from '../../../core/session-journal/line-subjects.ts';
import { NEWEST_PLACE, type SessionJournalStore } from '../../../core/session-journal/session-journal-store.ts';
import type { JournalChange, SessionRecord } from '../../../core/session-journal/session-record.ts';
import { writeChanges } from '../../../testing/journal-batches.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { openSessionStore } from './file-session-store.ts';

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
const USER = 'ann-of-the-green-house';

/** A full segment has 125 sessions. */
const BOUNDS = { sessionsMax: 1000, ageMaxMs: 1_000_000 };

function storeIn(folder: string, epoch: string = 'first', nowMs: number = 100): SessionJournalStore {
  const store = openSessionStore({ folder, epoch, nowMs, ...BOUNDS });
  onTestFinished(() => store.close(nowMs));
  return store;
}

function opened(number: number, more: Partial<SessionRecord> = {}): JournalChange {
  return { kind: 'opened', session: { ...SESSION, number, id: `id-${number}`, openedMs: number, ...more } };
}

function write(store: SessionJournalStore, first: number, last: number, user: string = USER): void {
  for (let number = first; number <= last; number++) writeChanges(store, [opened(number, { user })], number);
}

function filesIn(folder: string, ending = ''): readonly string[] {
  return readdirSync(join(folder, 'sessions'))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, 'sessions', name));
}

function textsIn(folder: string): string {
  return filesIn(folder)
    .map((file) => readFileSync(file, 'latin1'))
    .join('');
}

function numbersIn(store: SessionJournalStore): readonly number[] {
  return store.page(NEWEST_PLACE.number, 5000).map(({ number }) => number);
}

function from(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => last - index);
}

test("only the hub's user may read it", () => {
  const folder = temporaryFolder();
  write(storeIn(folder), 1, 200);
  expect(statSync(join(folder, 'sessions')).mode & 0o077).toBe(0);
  expect(filesIn(folder)).toHaveLength(4);
  for (const file of filesIn(folder)) expect([file, statSync(file).mode & 0o077]).toEqual([file, 0]);
});

test('a session that was live when its hub died ended with it, at the last write of that hub', () => {
  const folder = temporaryFolder();
  const killed = storeIn(folder);
  writeChanges(killed, [{ kind: 'opened', session: SESSION }], 150);
  killed.write([], 170);
  const store = storeIn(folder, 'second', 900);
  expect(store.get(1)).toEqual({
    ...SESSION,
    end: { timeMs: 170, position: undefined, reason: 'hub', polls: 0, skipped: [], gaps: [] },
  });
  expect(store.newestNumber).toBe(1);
  expect(store.sinceMs).toBe(100);
  writeChanges(store, [opened(2, { epoch: 'second' })], 950);
  expect(store.page(3, 5)).toMatchObject([
    { epoch: 'second', end: undefined },
    { epoch: 'first', end: { reason: 'hub' } },
  ]);
});

test('goes on where it was after a restart, within a segment and after several', () => {
  const folder = temporaryFolder();
  const before = openSessionStore({ folder, epoch: 'first', nowMs: 1, ...BOUNDS });
  write(before, 1, 300);
  before.close(300);
  const after = storeIn(folder, 'first', 300);
  write(after, 301, 600);
  expect(after.newestNumber).toBe(600);
  for (const number of [1, 125, 126, 300, 301, 600]) expect(after.find(`id-${number}`)?.number).toBe(number);
  expect(after.ofUser({ user: USER, before: NEWEST_PLACE, limit: 1000 })).toHaveLength(600);
  expect(numbersIn(after)).toEqual(from(1, 600));
  expect(after.page(200, 3).map(({ number }) => number)).toEqual([199, 198, 197]);
});

test('a start reads no line after a stop, and the newest ones after a kill', () => {
  const folder = temporaryFolder();
  const next = vi.spyOn(LineReader.prototype, 'next');
  onTestFinished(() => next.mockRestore());
  const first = storeIn(folder);
  write(first, 1, 300);
  first.close(300);
  const second = storeIn(folder, 'second', 300);
  expect(next).not.toHaveBeenCalled();
  expect(second.stats().sessions).toBe(300);
  // It is killed, so its index is that of the first one.
  write(second, 301, 320);
  const third = storeIn(folder, 'third', 320);
  expect(next).toHaveBeenCalled();
  expect(numbersIn(third)).toEqual(from(1, 320));
  third.eraseUser(USER);
  expect(third.ofUser({ user: USER, before: NEWEST_PLACE, limit: 1 })).toEqual([]);
  const hash = Buffer.from(Uint32Array.of(hashOf(USER)).buffer);
  for (const file of filesIn(folder, '.index')) expect(readFileSync(file).includes(hash)).toBe(false);
});

test('a full ring removes the files of its oldest segment, and still knows since when it is complete', () => {
  const folder = temporaryFolder();
  write(storeIn(folder), 1, 1200);
  expect(existsSync(join(folder, 'sessions', '000000000001.lines'))).toBe(false);
  expect(filesIn(folder, '.index')).toHaveLength(filesIn(folder, '.lines').length - 1);
  // Its hub was killed, and had not stored the time.
  const store = storeIn(folder, 'second', 1300);
  expect([store.oldestNumber, store.sinceMs, store.newestNumber]).toEqual([251, 251, 1200]);
  expect(numbersIn(store)).toEqual(from(251, 1200));
});

test('an erased user is gone from all files, and other sessions are still found', () => {
  const folder = temporaryFolder();
  const store = storeIn(folder);
  for (let number = 1; number <= 300; number += 3) {
    const change = { timeMs: number, position: 9, channels: ['a'], user: USER };
    const end = { timeMs: number, position: 12, reason: 'network', polls: 0, skipped: [], gaps: [] } as const;
    writeChanges(
      store,
      [
        opened(number),
        opened(number + 1, { user: undefined }),
        opened(number + 2, { user: 'bob' }),
        { kind: 'changed', session: number + 1, change, authenticatedSinceMs: number },
        { kind: 'ended', session: number, user: USER, end },
      ],
      number,
    );
  }
  const idOfAnn = 'id-4"';
  expect([textsIn(folder).includes(USER), textsIn(folder).includes(idOfAnn)]).toEqual([true, true]);
  const sizes = filesIn(folder).map((file) => statSync(file).size);
  expect(store.eraseUser(USER)).toBe(200);
  expect(filesIn(folder).map((file) => statSync(file).size)).toEqual(sizes);
  const check = (): void => {
    expect([textsIn(folder).includes(USER), textsIn(folder).includes(idOfAnn)]).toEqual([false, false]);
  };
  check();
  const others = Array.from({ length: 100 }, (_, index) => 300 - 3 * index);
  expect(numbersIn(store)).toEqual(others);
  store.close(300);
  const again = storeIn(folder, 'second', 400);
  check();
  expect(numbersIn(again)).toEqual(others);
  expect(again.find('id-3')).toMatchObject({ user: 'bob', channels: SESSION.channels, address: SESSION.address });
  expect(again.eraseUser('bob')).toBe(100);
  // The members that all of them shared are gone, too.
  expect(textsIn(folder)).not.toContain(SESSION.address);
});

test('an erased user is gone from sessions whose openings have left the ring, too', () => {
  const folder = temporaryFolder();
  const store = storeIn(folder);
  const end = { timeMs: 1, position: 12, reason: 'network', polls: 0, skipped: [], gaps: [] } as const;
  const change = { timeMs: 1, position: 9, channels: ['secret.1'], user: undefined };
  writeChanges(store, [opened(1), opened(2, { user: 'bob' })], 1);
  let number = 2;
  while (store.oldestNumber <= 2) writeChanges(store, [opened(++number, { user: 'bob' })], number);
  expect(textsIn(folder)).not.toContain(USER);
  writeChanges(
    store,
    [
      { kind: 'changed', session: 1, change },
      { kind: 'ended', session: 1, user: USER, end },
      { kind: 'ended', session: 2, user: 'bob', end },
    ],
    number,
  );
  expect(textsIn(folder)).toContain(USER);
  const before = numbersIn(store);
  // It has no record any more, so it does not count.
  expect(store.eraseUser(USER)).toBe(0);
  expect([textsIn(folder).includes(USER), textsIn(folder).includes('secret.1')]).toEqual([false, false]);
  expect(textsIn(folder)).toContain('"bob",1,"network",12');
  expect(numbersIn(store)).toEqual(before);
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
  const lines = textsIn(folder).split('\n').slice(1, 6);
  expect(lines.map((line) => line[1])).toEqual(['0', '3', '3', '3', '0']);
  expect(store.page(6, 5)).toEqual([other, ...crowd.toReversed()]);
  store.eraseUser('ann');
  store.eraseUser('cid');
  expect(store.page(6, 5)).toEqual([other, crowd[3], crowd[1]]);
  store.close(100);
  expect(storeIn(folder, 'second', 200).find('"1"')?.openedMs).toBe(101);
});

test('a line that a crash has cut off is removed, and what follows is found', () => {
  const folder = temporaryFolder();
  write(storeIn(folder), 1, 3);
  const [file = ''] = filesIn(folder, '.lines');
  truncateSync(file, statSync(file).size - 5);
  const store = storeIn(folder, 'second', 100);
  expect(numbersIn(store)).toEqual([2, 1]);
  write(store, 3, 4);
  store.close(100);
  expect(numbersIn(storeIn(folder, 'third', 200))).toEqual([4, 3, 2, 1]);
});

test.each([
  ['is missing', (file: string) => rmSync(file)],
  ['is damaged', (file: string) => writeFileSync(file, 'no index at all'.repeat(100))],
  ['was cut off', (file: string) => truncateSync(file, 100)],
])('an index that %s is made again', (_what, damage) => {
  const folder = temporaryFolder();
  const before = storeIn(folder);
  write(before, 1, 300);
  before.close(300);
  const [index = ''] = filesIn(folder, '.index');
  const content = readFileSync(index);
  damage(index);
  const store = storeIn(folder, 'second', 400);
  expect(readFileSync(index)).toEqual(content);
  expect(numbersIn(store)).toEqual(from(1, 300));
});

test('damaged lines and files are left out, and the others are found', () => {
  const folder = temporaryFolder();
  const before = storeIn(folder);
  write(before, 1, 300);
  before.close(300);
  const [first = '', second = ''] = filesIn(folder, '.lines');
  writeFileSync(first, 'no segment at all, and longer than the first line of one would be');
  const text = readFileSync(second, 'latin1');
  writeFileSync(second, text.replace('"id-200",', '"id-200"]'), 'latin1');
  writeFileSync(join(folder, 'sessions', 'journal.json'), '{"format":');
  appendFileSync(filesIn(folder, '.lines').at(-1) ?? '', '\0\0\0\n\0');
  const store = storeIn(folder, 'second', 400);
  expect(existsSync(first)).toBe(false);
  expect(numbersIn(store)).toEqual(from(126, 300).filter((number) => number !== 200));
  expect(store.get(126)).toMatchObject({ epoch: '', end: { reason: 'hub' } });
  expect(store.sinceMs).toBe(126);
});

test('files of a newer version are refused, and stay', () => {
  const folder = temporaryFolder();
  const before = storeIn(folder);
  write(before, 1, 3);
  before.close(3);
  const file = join(folder, 'sessions', 'journal.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"format":2', '"format":3'));
  const texts = textsIn(folder);
  expect(() => storeIn(folder)).toThrow(/newer version of Polycast \(schema 3; this version knows 2\)/);
  expect(textsIn(folder)).toBe(texts);
});

test('a write that needs a second segment and fails writes nothing, and can be repeated', () => {
  const folder = temporaryFolder();
  const store = storeIn(folder);
  write(store, 1, 100);
  const obstacle = join(folder, 'sessions', '000000000002.lines');
  mkdirSync(obstacle);
  const texts = (): string =>
    filesIn(folder, '1.lines')
      .map((file) => readFileSync(file, 'latin1'))
      .join('');
  const before = texts();
  const crowd = (): void =>
    writeChanges(
      store,
      from(101, 400)
        .toReversed()
        .map((number) => opened(number)),
      400,
    );
  expect(crowd).toThrow(/EISDIR/);
  expect([store.newestNumber, store.stats().sessions, texts() === before]).toEqual([100, 100, true]);
  expect(numbersIn(store)).toEqual(from(1, 100));
  rmSync(obstacle, { recursive: true });
  crowd();
  expect(numbersIn(store)).toEqual(from(1, 400));
  store.close(400);
  expect(numbersIn(storeIn(folder, 'second', 500))).toEqual(from(1, 400));
});

test('a full disk takes nothing of a write, and all of it when there is space', ({ skip }) => {
  const folder = temporaryFolder();
  const mount = ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder];
  if (process.platform !== 'linux' || spawnSync('mount', mount).status !== 0)
    return skip('a small disk can be mounted by root only');
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  const store = openSessionStore({ folder, epoch: 'first', nowMs: 1, ...BOUNDS });
  write(store, 1, 20);
  const ballast = join(folder, 'ballast');
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(ballast, Buffer.alloc((bavail - 1) * bsize));
  const [file = ''] = filesIn(folder, '.lines');
  const { size } = statSync(file);
  // The disk takes a part of these bytes.
  const crowd = (): void =>
    writeChanges(
      store,
      from(21, 120)
        .toReversed()
        .map((number) => opened(number, { channels: [`orders.${number}`] })),
      120,
    );
  expect(crowd).toThrow(/full|ENOSPC/);
  expect([statSync(file).size, store.newestNumber, numbersIn(store).length]).toEqual([size, 20, 20]);
  rmSync(ballast);
  crowd();
  expect(numbersIn(store)).toEqual(from(1, 120));
  store.close(120);
});

test('the database of earlier builds is removed', () => {
  const folder = temporaryFolder();
  for (const suffix of ['', '-wal', '-shm']) writeFileSync(join(folder, `sessions.sqlite${suffix}`), USER);
  storeIn(folder);
  expect(readdirSync(folder)).toEqual(['sessions']);
});
