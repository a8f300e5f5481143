import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { Feed } from '../../../core/feed.ts';
import { resolveStart } from '../../../core/start.ts';
import { encodeCursor } from '@polycast/protocol';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../../testing/test-storage.ts';
import type { Block } from '../../view/block.ts';
import { commandBytes } from '../../view/view-state.ts';
import { HOMES } from '../../homes.ts';
import { encodeExactBatch } from '../../shared/batch-codec.ts';
import { bodyOf, positionOf, queryAll, record, START_MS, text } from '../log/log-fixtures.ts';
import type { HubBeat } from '../../cluster/fleet.ts';
import type { MemoryJournal } from '../../cluster/memory-journal.ts';
import { placeOf } from '../../cluster/rollback-check.ts';
import { createMarks } from '../../cluster/journal-marks.ts';
import {
  memory,
  reached,
  SNAPSHOT_BYTES,
  sharedOf,
  sqlite,
  TestCluster,
  textsOf,
} from '../../../testing/folder-cluster.ts';

test('what one hub has confirmed, another reads after the barrier, for each of 300 cursors', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  let waited = 0;
  for (let count = 1; count <= 300; count++) {
    const [from, to] = count % 2 === 0 ? [one, other] : [other, one];
    const [outcome] = await from.append([record('a')]);
    if (outcome === undefined) throw new Error('no outcome');
    const { epoch } = from.state;
    const position = positionOf(outcome);
    const reaching = to.reach?.({ epoch, position });
    if (reaching !== undefined) waited++;
    await reaching;
    expect(resolveStart(encodeCursor(epoch, position), to.state)).toMatchObject({ position, gap: undefined });
    expect((await to.read({ ...queryAll(to, ['a']), after: position - 1 })).records).toHaveLength(1);
  }
  expect(waited).toBeGreaterThan(0);
});

test('a cursor that no hub has given is told after the barrier to be of another history', async () => {
  const cluster = new TestCluster();
  const log = await cluster.open('a');
  await log.append([record('a')]);
  const { epoch } = log.state;
  await reached(log, epoch, 99);
  expect(resolveStart(encodeCursor(epoch, 99), log.state)).toMatchObject({ position: 1, gap: { reason: 'epoch' } });
  expect(log.reach?.({ epoch: '0000000000', position: 99 })).toBeUndefined();
});

test('a hub at a broker that is cut off from the others gives no false gap, and finds no rollback', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  await one.append([record('a')]);
  const { epoch } = one.state;
  await reached(other, epoch, 1);
  const [, connection] = cluster.connections as [MemoryJournal, MemoryJournal];
  const marks = createMarks(connection, 'm');
  connection.isolate();
  await one.append([record('a')]);
  const at = { sequence: cluster.journal.last, id: cluster.journal.at(cluster.journal.last)?.id ?? '' };
  let ended = 0;
  const place = placeOf(at, connection, marks).finally(() => ended++);
  const reaching = reached(other, epoch, 2).finally(() => ended++);
  // This broker answers, and has the first event only.
  for (let count = 0; count < 20; count++) expect(await connection.last()).toBe(at.sequence - 1);
  expect(ended).toBe(0);
  connection.heal();
  expect(await place).toBe('followable');
  await reaching;
  expect(resolveStart(encodeCursor(epoch, 2), other.state)).toMatchObject({ position: 2, gap: undefined });
});

test('an event of another hub that is the first block after a wipe leaves a log with an epoch', async () => {
  const cluster = new TestCluster();
  cluster.journal.append({ id: 'z-1', kind: 'events', data: encodeExactBatch([record('a')]) });
  const [one, other] = await Promise.all([cluster.open('a'), cluster.open('b')]);
  expect(one.state.epoch).toHaveLength(10);
  await one.append([record('a')]);
  await reached(other, one.state.epoch, one.state.head);
  expect(other.state).toEqual(one.state);
});

test('views in all homes are equal, also after a restart, and see the same outcomes', async () => {
  const cluster = new TestCluster();
  const folder = temporaryFolder();
  const [one, two] = [await cluster.open('a'), await cluster.open('b', { home: memory })];
  let three = await cluster.open('c', { folder });
  const hubs = (): readonly Log[] => [one, two, three];
  for (let round = 0; round < 12; round++) {
    const appends = hubs().map((log, index) =>
      log.append([
        record(`c.${round % 5}`, { retain: round % 3 === 0 ? 'latest' : 'history' }),
        record(`c.${index}`, { idempotencyKey: `k${round % 4}`, fingerprint: 'f' }),
        record('n', { retain: 'none' }),
        record('c.1', { ifLatest: round }),
      ]),
    );
    await Promise.all(appends);
    if (round % 4 === 1) await one.trim([{ channel: 'c.1', countMax: 3 }], START_MS);
    if (round !== 6) continue;
    await three.close();
    three = await cluster.open('c', { folder });
  }
  const head = Math.max(...hubs().map(({ state }) => state.head));
  for (const log of hubs()) await reached(log, one.state.epoch, head + 1);
  const [expected, ...others] = await Promise.all(hubs().map(textsOf));
  for (const texts of others) expect(texts).toEqual(expected);
  const states = await Promise.all(hubs().map((log) => log.channels({ after: '', limit: 100 })));
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
  expect(hubs().map((log) => log.problems)).toEqual([[], [], []]);
});

test('a hub that starts again applies only the blocks that it does not have', async () => {
  const cluster = new TestCluster();
  const folder = temporaryFolder();
  let log = await cluster.open('a', { folder });
  for (let count = 0; count < 10; count++) await log.append([record('a')]);
  await log.close();
  const other = await cluster.open('b');
  await other.append([record('b')]);
  log = await cluster.open('a', { folder });
  // The other hub began with a mark, and so does this one.
  expect(log.stats()).toMatchObject({ blocks: 3, appliedSequence: cluster.journal.last });
  expect(log.state).toEqual(other.state);
  expect(await textsOf(log)).toEqual(await textsOf(other));
});

test('events of other hubs that come while a hub starts follow those of its preload', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const publish = async (): Promise<void> => void (await one.append([record('a'), record('n', { retain: 'none' })]));
  await publish();
  await reached(other, one.state.epoch, one.state.head);
  const feed = new Feed(other, {
    ...{ tailBytesMax: 1_000_000, batchBytesMax: 1000, pollBytesMax: 1000, logReadsConcurrentMax: 1 },
    isLatestOnly: () => false,
    isStored: () => true,
    allocate: (bytes) => new Uint8Array(bytes),
    onDelivered: () => undefined,
  });
  for (let count = 0; count < 3; count++) await publish();
  await reached(other, one.state.epoch, one.state.head);
  expect(feed.head).toBe(2);
  const preloaded = feed.preload();
  await publish();
  await preloaded;
  await reached(other, one.state.epoch, one.state.head);
  await expect.poll(() => feed.head).toBe(10);
  feed.assertInvariants();
  expect(feed.tail).toMatchObject({ count: 9, start: 0 });
});

test('ephemeral events are passed on at every hub, and stored at none', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const seen: string[] = [];
  other.follow((records) => seen.push(...records.map(({ body }) => text(body))));
  await one.append([record('n', { retain: 'none' })]);
  await expect.poll(() => seen).toEqual([bodyOf('n')]);
  expect(await textsOf(other)).toEqual([]);
});

test('trims of one hub are reported at all hubs, and one hub trims', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const trimmed: unknown[] = [];
  sharedOf(other).onTrimmed((orders) => trimmed.push(...orders));
  await one.append([record('a'), record('a')]);
  const order = { channel: 'a', countMax: 1 };
  expect(await one.trim([order], START_MS)).toEqual({ removed: 1, more: false });
  await expect.poll(() => trimmed).toEqual([order]);
  await expect.poll(() => [one, other].map((log) => sharedOf(log).isTrimmer)).toEqual([true, false]);
});

test.each(Object.keys(HOMES))(
  '%s: a copy of a block changes nothing, and a block out of order is refused',
  async (name) => {
    const home = HOMES[name] as (typeof HOMES)[string];
    const view = await home.openView(testStorageOptions(temporaryFolder()));
    onTestFinished(() => view.close());
    const data = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
    const genesis = commandBytes({ format: 1, epoch: '0t24qj92dx', channelsMax: 10 });
    const events: Omit<Block, 'sequence'> = { id: 'h-1', kind: 'events', data: data(encodeExactBatch([record('a')])) };
    const outcomes = await view.apply([
      { sequence: 1, id: 'g-1', kind: 'genesis', data: data(genesis) },
      { sequence: 2, ...events },
      { sequence: 3, ...events },
      { sequence: 4, ...events, id: 'h-2' },
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['epoch', 'appended', 'nothing', 'appended']);
    expect(view.state).toMatchObject({ epoch: '0t24qj92dx', head: 2 });
    expect(view.applied).toMatchObject({ sequence: 4, id: 'h-2' });
  },
);

test('a data folder has one role: a log of its own, or the view of a cluster', async () => {
  const [own, shared] = [temporaryFolder(), temporaryFolder()];
  const log = await sqlite.openLog(testStorageOptions(own));
  await log.append([record('a')]);
  await log.close();
  const cluster = new TestCluster();
  await expect(cluster.open('a', { folder: own })).rejects.toMatchObject({ reason: 'not_empty' });
  await (await cluster.open('a', { folder: shared })).close();
  await expect(sqlite.openLog(testStorageOptions(shared))).rejects.toMatchObject({ reason: 'not_empty' });
});

test('a hub whose view has another hash at the same block is noticed', async () => {
  const cluster = new TestCluster();
  const log = await cluster.open('a');
  await log.append([record('a')]);
  const other = cluster.fleet.connect('b');
  onTestFinished(() => other.close());
  const { last } = cluster.journal;
  // It is ahead at first: the hashes are compared when this hub has applied the block.
  other.report({ host: 'm', version: '1', sequence: last + 1, hash: 7 });
  expect(log.problems).toEqual([]);
  const isSame = async (): Promise<boolean | undefined> => (await sharedOf(log).inspect()).others[0]?.hasSameData;
  expect(await isSame()).toBeUndefined();
  await log.append([record('a')]);
  expect(log.problems).toEqual(['cluster_view_differs']);
  expect(await isSame()).toBe(false);
  // A hash covers all blocks before: this hub and the other one are equal again.
  const heard: HubBeat[] = [];
  other.onBeat((beat) => heard.push(beat));
  await log.append([record('a')]);
  await expect.poll(() => heard.at(-1)?.sequence).toBe(cluster.journal.last);
  other.report({ host: 'm', version: '1', sequence: cluster.journal.last, hash: heard.at(-1)?.hash ?? 0 });
  await expect.poll(() => log.problems).toEqual([]);
  expect(await isSame()).toBe(true);
});

test('a hub that differs from two others removes its view, and builds it again from the journal', async () => {
  const cluster = new TestCluster();
  const folder = temporaryFolder();
  const log = await cluster.open('a', { folder });
  for (let count = 0; count < 3; count++) await log.append([record('a')]);
  const texts = await textsOf(log);
  let resets = 0;
  sharedOf(log).onReset(() => resets++);
  for (const hub of ['b', 'c']) {
    const other = cluster.fleet.connect(hub);
    onTestFinished(() => other.close());
    other.report({ host: hub, version: '1', sequence: cluster.journal.last, hash: 7 });
  }
  await expect.poll(() => resets, { timeout: 30_000 }).toBe(1);
  await expect(log.append([record('a')])).rejects.toMatchObject({ code: 'log_unavailable' });
  await log.close();
  expect(existsSync(join(folder, 'log.db'))).toBe(false);
  expect(await textsOf(await cluster.open('d', { folder }))).toEqual(texts);
});

test('a hub that may be wrong takes no snapshot', async () => {
  const cluster = new TestCluster();
  const log = await cluster.open('a', { snapshotBytes: SNAPSHOT_BYTES });
  await log.append([record('a')]);
  const other = cluster.fleet.connect('b');
  onTestFinished(() => other.close());
  other.report({ host: 'm', version: '1', sequence: cluster.journal.last, hash: 7 });
  await expect.poll(() => log.problems).toEqual(['cluster_view_differs']);
  const grow = (): Promise<unknown> => log.append([record('a', { body: Buffer.alloc(SNAPSHOT_BYTES / 4) })]);
  for (let count = 0; count < 10; count++) await grow();
  expect(await cluster.snapshots.list()).toEqual([]);
  await other.close();
  await expect.poll(async () => (await grow(), (await cluster.snapshots.list()).length)).toBeGreaterThan(0);
});

test('a block of a later version stops the hub, and it says so', async () => {
  const cluster = new TestCluster();
  const log = await cluster.open('a');
  cluster.journal.append({ id: 'z-1', kind: 'lease' as 'events', data: new Uint8Array(1) });
  await expect.poll(() => log.state.unavailable).toBe('log_unavailable');
  expect(log.problems).toEqual(['cluster_upgrade_needed']);
  expect(log.state.head).toBe(0);
});

test.each([{ isStored: true }, { isStored: false }])(
  'an append without an answer is unknown, and with its key it is stored once: stored $isStored',
  async ({ isStored }) => {
    const cluster = new TestCluster();
    const log = await cluster.open('a');
    const keyed = record('a', { idempotencyKey: 'k', fingerprint: 'f' });
    cluster.journal.loseNextAnswer(isStored);
    const [first] = await Promise.allSettled([log.append([keyed])]);
    if (first.status === 'rejected') expect(first.reason).toMatchObject({ code: 'outcome_unknown' });
    expect(first.status === 'rejected' || isStored).toBe(true);
    const [again] = await log.append([keyed]);
    expect(again).toMatchObject({ kind: isStored ? 'duplicate' : 'appended', position: 1 });
    expect(await textsOf(log)).toHaveLength(1);
  },
);
