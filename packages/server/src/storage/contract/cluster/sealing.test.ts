import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../../testing/test-storage.ts';
import { MemoryFleetServer } from '../../cluster/memory-fleet.ts';
import { MemoryJournalServer } from '../../cluster/memory-journal.ts';
import { SealedJournal } from '../../cluster/sealing/sealed-journal.ts';
import { SealedSnapshotStore } from '../../cluster/sealing/sealed-snapshot-store.ts';
import { HEADER_BYTES, readSealer, Sealer, TAG_BYTES } from '../../cluster/sealing/sealer.ts';
import { MemorySnapshotStore } from '../../cluster/snapshots/memory-snapshot-store.ts';
import { memoryHome } from '../../memory/memory-home.ts';
import { journalContract } from './journal-contract.ts';
import { snapshotContract } from './snapshot-contract.ts';
import { openTestHub } from './test-hub.ts';

const OLD_KEY = randomBytes(32);
const sealer = new Sealer([randomBytes(32)]);

journalContract('sealed journal', async () => {
  const server = new MemoryJournalServer();
  return async () => new SealedJournal(server.connect(), sealer);
});

snapshotContract(
  'sealed snapshots',
  async () => new SealedSnapshotStore(new MemorySnapshotStore(), sealer),
  temporaryFolder,
  HEADER_BYTES + TAG_BYTES,
);

test('a key that is not the first one opens what it sealed, and seals nothing', () => {
  const before = new Sealer([OLD_KEY]);
  const after = new Sealer([randomBytes(32), OLD_KEY]);
  expect(after.open(before.seal(Buffer.from('secret'), 'a-1'), 'a-1')).toEqual(new Uint8Array(Buffer.from('secret')));
  expect(() => before.open(after.seal(Buffer.from('secret'), 'a-1'), 'a-1')).toThrow('does not have the key');
});

test('sealed data opens at its place only, and no changed bit stays hidden', () => {
  const sealed = sealer.seal(Buffer.from('secret'), 'a-1');
  expect(() => sealer.open(sealed, 'a-2')).toThrow('was changed');
  for (let index = HEADER_BYTES - 12; index < sealed.byteLength; index++) {
    const changed = Uint8Array.from(sealed);
    changed[index] = (changed[index] as number) ^ 1;
    expect(() => sealer.open(changed, 'a-1')).toThrow('was changed');
  }
});

test('a snapshot that was changed, or moved to another place, does not open', async () => {
  const stored = new MemorySnapshotStore();
  const store = new SealedSnapshotStore(stored, sealer);
  const [file, copy] = [join(temporaryFolder(), 'view'), join(temporaryFolder(), 'copy')];
  writeFileSync(file, 'the secret of a webhook');
  const snapshot = await store.write({ sequence: 1, id: 'a-1', epoch: 'e' }, file);
  await stored.read(snapshot, copy, () => undefined);
  expect(readFileSync(copy).includes('secret')).toBe(false);
  const moved = await stored.write({ sequence: 2, id: 'a-2', epoch: 'e' }, copy);
  await expect(store.read(moved, copy, () => undefined)).rejects.toThrow('was changed');
  stored.damage(snapshot);
  await expect(store.read(snapshot, copy, () => undefined)).rejects.toThrow('is not complete');
});

test.each([
  ['an empty file', '\n'],
  ['a short key', 'abc\n'],
  ['a text', 'x'.repeat(64)],
  ['too many keys', `${'0'.repeat(64)}\n`.repeat(11)],
])('%s is no file of keys', (_name, text) => {
  const file = join(temporaryFolder(), 'seal.key');
  writeFileSync(file, text);
  expect(() => readSealer(file)).toThrow('openssl rand -hex 32');
  expect(() => readSealer(`${file}.absent`)).toThrow('cluster.sealKeyFile cannot be read');
});

test('a hub without the key does not start, and names the setting', async () => {
  const server = new MemoryJournalServer();
  const fleet = new MemoryFleetServer();
  const open = (self: string, keys: Sealer): ReturnType<typeof openTestHub> =>
    openTestHub({
      journal: new SealedJournal(server.connect(), keys),
      fleet: fleet.connect(self),
      home: memoryHome,
      options: testStorageOptions(temporaryFolder()),
    });
  const hub = await open('a', sealer);
  onTestFinished(() => hub.close());
  expect(server.kinds).toContain('sealed');
  expect(server.kinds).not.toContain('genesis');
  await expect(open('b', readSealer(null))).rejects.toThrow('cluster.sealKeyFile');
});
