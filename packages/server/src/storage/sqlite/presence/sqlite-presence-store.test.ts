import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
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

test('if one of several changes fails, none is stored', () => {
  const store = storeIn(temporaryFolder());
  store.apply([{ kind: 'online', user: 'ann', sequence: 1 }], 1);
  const before = store.load();
  const unstorable = { kind: 'join', channel: 'a', user: 'bob', info: undefined, sessions: 1.5, sinceMs: 1 } as const;
  expect(() => store.apply([{ kind: 'online', user: 'bob', sequence: 2 }, unstorable], 3)).toThrow(/REAL/);
  expect(store.load()).toEqual(before);
  expect(store.position).toBe(1);
});
