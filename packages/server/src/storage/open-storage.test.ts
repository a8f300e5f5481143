import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { testStorageOptions } from '../testing/test-storage.ts';
import { record } from './contract/log/log-fixtures.ts';
import { attempt, creationOf } from './contract/subscriptions/subscription-fixtures.ts';
import { renewFolderEpoch, wipeLog, withIdentityStore } from './stopped-hub.ts';
import { openStorage, type Storage } from './open-storage.ts';

const OTHER_PROCESS = `
  const [{ openStorage }, { testStorageOptions }] = await Promise.all(
    [${JSON.stringify(new URL('open-storage.ts', import.meta.url).href)}, ${JSON.stringify(new URL('../testing/test-storage.ts', import.meta.url).href)}].map((url) => import(url)),
  );
  await openStorage(testStorageOptions(process.argv[1]));
  console.log('open');
`;

async function open(data: string): Promise<Storage> {
  const storage = await openStorage(testStorageOptions(data));
  onTestFinished(() => storage.close());
  return storage;
}

test.each([':memory:', 'a folder'])('%s keeps as many attempts as the configuration says', async (data) => {
  const storage = await openStorage(
    testStorageOptions(data === ':memory:' ? data : temporaryFolder(), {
      subscriptions: { attemptsKept: 4, attemptsKeptMax: 100 },
    }),
  );
  onTestFinished(() => storage.close());
  const { subscriptions } = storage;
  await subscriptions.write(creationOf('sub_a'));
  for (let number = 1; number <= 50; number++)
    await subscriptions.write([{ kind: 'attempt', attempt: attempt('sub_a', number, { outcome: 'timeout' }) }]);
  const kept = await subscriptions.attempts({ subscription: 'sub_a', before: Infinity, limit: 50 });
  // Attempts are deleted in batches, so there may be one more than three failures.
  expect(kept.length).toBeLessThanOrEqual(4);
});

test('a folder that another storage has open is refused, with the number of its process', async () => {
  const folder = temporaryFolder();
  const storage = await open(folder);
  const refusal = {
    name: 'DataFolderError',
    reason: 'in_use',
    message: expect.stringContaining(`in use by the process ${process.pid}`),
  };
  await expect(openStorage(testStorageOptions(folder))).rejects.toMatchObject(refusal);
  expect(() => renewFolderEpoch(folder)).toThrow(/in use/);
  await expect(withIdentityStore(folder, 10, async () => undefined)).rejects.toMatchObject(refusal);
  // The lock ends with the storage, not with its log.
  await storage.log.close();
  await expect(openStorage(testStorageOptions(folder))).rejects.toMatchObject(refusal);
  await storage.close();
  expect(renewFolderEpoch(folder) > storage.log.state.epoch).toBe(true);
  expect((await open(folder)).log.state.unavailable).toBeUndefined();
});

test('a folder of another process is refused, and after kill -9 of that process it is accepted', async () => {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, ['--input-type=module', '--eval', OTHER_PROCESS, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await expect(openStorage(testStorageOptions(folder))).rejects.toMatchObject({
    reason: 'in_use',
    message: expect.stringContaining(`the process ${child.pid}`),
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect((await open(folder)).log.state.unavailable).toBeUndefined();
});

test('a missing folder is created, and one that cannot be created is refused', async () => {
  const folder = temporaryFolder();
  expect((await open(join(folder, 'a', 'b'))).log.state.head).toBe(0);
  writeFileSync(join(folder, 'file'), '');
  await expect(openStorage(testStorageOptions(join(folder, 'file')))).rejects.toMatchObject({ reason: 'inaccessible' });
});

test.each(['log.db', 'subscriptions.sqlite', 'identity.sqlite'])(
  'a storage that does not open, for its %s, releases its lock and does not count as a crash',
  async (file) => {
    const folder = temporaryFolder();
    await (await open(folder)).close();
    writeFileSync(join(folder, file), 'hello, this is no database at all, and long enough to be one', { mode: 0o600 });
    for (let turn = 0; turn < 2; turn++)
      await expect(openStorage(testStorageOptions(folder))).rejects.toMatchObject({ reason: 'corrupt' });
    expect(existsSync(join(folder, 'webhooks-in-flight'))).toBe(false);
  },
);

test('a folder has a presence file only after presence was used', async () => {
  const folder = temporaryFolder();
  const storage = await open(folder);
  expect(readdirSync(folder).filter((name) => name.startsWith('presence'))).toEqual([]);
  storage.openPresence().apply([{ kind: 'online', user: 'ann', sequence: 1 }], 1);
  await storage.close();
  expect(readdirSync(folder)).toContain('presence.sqlite');
  expect((await open(folder)).openPresence()).toMatchObject({ position: 1 });
});

test('a wiped log has another epoch, and all other data remains', async () => {
  const folder = temporaryFolder();
  const storage = await open(folder);
  await storage.log.append([record('a')]);
  storage.identity.write([{ kind: 'revocations_pruned', beforeMs: 1 }]);
  await storage.close();
  const names = readdirSync(folder);
  await wipeLog(folder);
  expect(readdirSync(folder)).toEqual(names.filter((name) => name !== 'log.db' && name !== 'generation.json'));
  const { state } = (await open(folder)).log;
  expect(state.head).toBe(0);
  expect(state.epoch).not.toBe(storage.log.state.epoch);
});

test('data in memory creates no file, and disappears with the storage', async () => {
  const storage = await open(':memory:');
  await storage.log.append([record('a')]);
  storage.openPresence().apply([{ kind: 'online', user: 'ann', sequence: 1 }], 1);
  await storage.close();
  await wipeLog(':memory:');
  expect(existsSync(':memory:')).toBe(false);
  const again = await open(':memory:');
  expect(again.log.state.head).toBe(0);
  expect(again.openPresence().load().online).toEqual([]);
});

test('a port whose closing fails does not keep the others or the lock open', async () => {
  const folder = temporaryFolder();
  const storage = await openStorage(testStorageOptions(folder));
  const close = storage.identity.close.bind(storage.identity);
  storage.identity.close = () => {
    close();
    throw new Error('no space left');
  };
  await expect(storage.close()).rejects.toThrow('no space left');
  expect((await open(folder)).log.state.unavailable).toBeUndefined();
});
