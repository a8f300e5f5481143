import { expect, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { record } from '../log/log-fixtures.ts';
import type { Snapshot } from '../../cluster/snapshots/snapshot-store.ts';
import { ChangedAtStartError } from '../../cluster/journal.ts';
import {
  appendUntilTrimmed,
  memory,
  reached,
  SNAPSHOT_BYTES,
  TestCluster,
  textsOf,
} from '../../../testing/folder-cluster.ts';

test('a hub starts from a snapshot and the rest, and the journal is trimmed before the older of two', async () => {
  const cluster = new TestCluster();
  const behind = temporaryFolder();
  await (await cluster.open('b', { folder: behind })).close();
  const one = await cluster.open('a', { snapshotBytes: SNAPSHOT_BYTES });
  await one.append([record('a', { idempotencyKey: 'k', fingerprint: 'f' })]);
  for (let round = 0; round < 3; round++) await appendUntilTrimmed(cluster, one);
  await expect.poll(async () => (await cluster.snapshots.list()).length).toBe(2);
  const [, older] = (await cluster.snapshots.list()) as [Snapshot, Snapshot];
  expect(cluster.journal.extent.first).toBe(older.sequence);
  for (const folder of [temporaryFolder(), behind]) {
    const other = await cluster.open('c', { folder });
    expect(other.state).toEqual(one.state);
    expect(await textsOf(other)).toEqual(await textsOf(one));
    expect(await other.channels({ after: '', limit: 100 })).toEqual(await one.channels({ after: '', limit: 100 }));
    expect(other.stats()['blocks']).toBeLessThan(cluster.journal.last - older.sequence);
    const [again] = await other.append([record('a', { idempotencyKey: 'k', fingerprint: 'f' })]);
    expect(again).toMatchObject({ kind: 'duplicate', position: 1 });
    expect(other.problems).toEqual([]);
    await other.close();
  }
  await expect(cluster.open('m', { home: memory })).rejects.toThrow('set `data` to a folder');
});

test('a snapshot that fails or is damaged leaves one to start from', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a', { snapshotBytes: SNAPSHOT_BYTES });
  await appendUntilTrimmed(cluster, one);
  const { first } = cluster.journal.extent;
  const names = async (): Promise<string[]> => (await cluster.snapshots.list()).map(({ name }) => name);
  const before = await names();
  cluster.snapshots.failNextWrite = true;
  while (one.stats()['snapshotFailures'] !== 1)
    await one.append([record('a', { body: Buffer.alloc(SNAPSHOT_BYTES / 4) })]);
  expect([await names(), cluster.journal.extent.first]).toEqual([before, first]);
  await appendUntilTrimmed(cluster, one);
  const texts = await textsOf(one);
  // A snapshot that is being stored is complete after this,
  // and the journal is not trimmed any more.
  await one.close();
  const [newest] = (await cluster.snapshots.list()) as [Snapshot];
  cluster.snapshots.damage(newest);
  const other = await cluster.open('b');
  expect(await textsOf(other)).toEqual(texts);
});

test('a hub that starts while another hub replaces the snapshots uses a new one', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a', { snapshotBytes: SNAPSHOT_BYTES });
  for (let round = 0; round < 2; round++) await appendUntilTrimmed(cluster, one);
  const { snapshots } = cluster;
  const read = snapshots.read.bind(snapshots);
  snapshots.read = async (...parameters) => {
    snapshots.read = read;
    const listed = (await snapshots.list()).map(({ name }) => name);
    const isListed = async (): Promise<boolean> => (await snapshots.list()).some(({ name }) => listed.includes(name));
    while (await isListed()) await appendUntilTrimmed(cluster, one);
    return await read(...parameters);
  };
  const other = await cluster.open('b');
  await reached(other, one.state.epoch, one.state.head);
  expect(await textsOf(other)).toEqual(await textsOf(one));
});

test('a hub that starts while the journal is trimmed beyond it is told that it can start again', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a', { snapshotBytes: SNAPSHOT_BYTES });
  await appendUntilTrimmed(cluster, one);
  const { snapshots } = cluster;
  const read = snapshots.read.bind(snapshots);
  snapshots.read = async (...parameters) => {
    await read(...parameters);
    // The snapshot may have the newest block. Of these two, the trim removes the first.
    for (const text of ['after', 'the snapshot']) await one.append([record('a', { body: Buffer.from(text) })]);
    cluster.journal.trim(cluster.journal.last);
  };
  await expect(cluster.open('b')).rejects.toBeInstanceOf(ChangedAtStartError);
});
