import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { PresenceChange } from '../../../core/presence/presence-events.ts';
import type { PresenceStore } from '../../../core/presence/presence-store.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { openPresenceStore } from './sqlite-presence-store.ts';

function storeIn(folder: string): PresenceStore {
  const store = openPresenceStore(folder, 'one');
  onTestFinished(() => store.close());
  return store;
}

test("only the hub's user may read it", () => {
  const folder = temporaryFolder();
  storeIn(folder).apply([{ kind: 'online', user: 'ann', sequence: 1 }], 1);
  for (const name of readdirSync(folder)) expect([name, statSync(join(folder, name)).mode & 0o077]).toEqual([name, 0]);
});

test('that is damaged is created again', () => {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, 'presence.sqlite'),
    'no database at all, and long enough to be looked at as one'.repeat(100),
  );
  expect(storeIn(folder).load().channels).toEqual([]);
});

test('after an erasure no file has a byte of users who left, even where rows have moved between pages', async () => {
  const folder = temporaryFolder();
  const store = storeIn(folder);
  const texts = (): string =>
    readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'latin1'))
      .join('');
  // Names in a mixed order split pages, so that SQLite moves rows.
  const users = Array.from({ length: 400 }, (_, index) => `${(index * 7919) % 400}-${index % 2 ? 'stays' : 'leaves'}`);
  store.apply(
    users.flatMap((user): PresenceChange[] => [
      { kind: 'join', channel: 'room.1', user, info: `info of ${user} `.repeat(5), sessions: 1, sinceMs: 1 },
      { kind: 'online', user, sequence: 1 },
    ]),
    1,
  );
  const left = users.filter((user) => user.endsWith('leaves'));
  store.apply(
    left.flatMap((user): PresenceChange[] => [
      { kind: 'leave', channel: 'room.1', user },
      { kind: 'offline', user, sequence: 2 },
    ]),
    2,
  );
  expect(texts()).toContain('leaves');
  await store.eraseRemoved();
  expect(texts()).not.toContain('leaves');
  expect(texts()).toContain('stays');
  expect(store.load().online).toHaveLength(200);
});

test('after an erasure a file of several megabytes has no byte of users who left, and meanwhile it accepts no change', async () => {
  const folder = temporaryFolder();
  const store = storeIn(folder);
  const filesWith = (text: string): string[] =>
    readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(text));
  const count = 30_000;
  const users = Array.from(
    { length: count },
    (_, index) => `${(index * 7919) % count}-${index % 2 ? 'stays' : 'leaves'}`,
  );
  const left = users.filter((user) => user.endsWith('leaves'));
  store.apply(
    users.map((user) => ({
      kind: 'join',
      channel: 'room.1',
      user,
      info: `info of ${user} `.repeat(3),
      sessions: 1,
      sinceMs: 1,
    })),
    1,
  );
  store.apply(
    left.map((user) => ({ kind: 'leave', channel: 'room.1', user })),
    2,
  );
  expect(statSync(join(folder, 'presence.sqlite-wal')).size).toBeGreaterThan(4e6);
  expect(filesWith('leaves')).not.toEqual([]);
  let isErased = false;
  const erased = store.eraseRemoved().finally(() => (isErased = true));
  while (!store.isBusy && !isErased) await new Promise(setImmediate);
  expect(store.isBusy).toBe(true);
  expect(() => store.apply([{ kind: 'online', user: 'ann', sequence: 1 }], 3)).toThrow(/busy/);
  await erased;
  expect([filesWith('leaves'), store.isBusy, store.position]).toEqual([[], false, 2]);
  expect(filesWith('stays')).toEqual(['presence.sqlite']);
  store.apply([{ kind: 'online', user: 'ann', sequence: 1 }], 3);
  expect(store.load()).toMatchObject({ online: ['ann'], channels: [{ members: { length: count / 2 } }] });
});

test('if one of several changes fails, none is stored', () => {
  const store = storeIn(temporaryFolder());
  store.apply([{ kind: 'online', user: 'ann', sequence: 1 }], 1);
  const before = store.load();
  const unstorable = { kind: 'join', channel: 'a', user: 'bob', info: undefined, sessions: 1.5, sinceMs: 1 } as const;
  expect(() => store.apply([{ kind: 'online', user: 'bob', sequence: 2 }, unstorable], 3)).toThrow(/REAL/);
  expect(store.load()).toEqual(before);
  expect(store.position).toBe(1);
});
