import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { resolveStart } from '../../../core/start.ts';
import { encodeCursor, PolycastError } from '@polycast/protocol';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import type { Block } from '../../view/block.ts';
import { commandBytes, epochOf } from '../../view/view-state.ts';
import { encodeExactBatch } from '../../shared/batch-codec.ts';
import { record, START_MS } from '../log/log-fixtures.ts';
import type { Snapshot } from '../../cluster/snapshots/snapshot-store.ts';
import type { JournaledLog } from '../../cluster/journaled-log.ts';
import { MARK } from '../../cluster/journal-marks.ts';
import { epochAfter } from '../../shared/epoch-after.ts';
import type { LogView } from '../../view/log-view.ts';
import {
  appendUntilTrimmed,
  reached,
  sharedOf,
  SNAPSHOT_BYTES,
  sqlite,
  TestCluster,
  textsOf,
} from '../../../testing/folder-cluster.ts';

test.each([
  { what: 'the newest block', lost: 1, added: 0, isEmptyFirst: true },
  { what: 'ten blocks', lost: 10, added: 0, isEmptyFirst: false },
  { what: 'ten blocks, and has others', lost: 10, added: 12, isEmptyFirst: true },
])('a snapshot shows that the journal has lost $what: a new epoch begins once', async (loss) => {
  const { lost, added, isEmptyFirst } = loss;
  const cluster = new TestCluster();
  const folder = temporaryFolder();
  const one = await cluster.open('a', { snapshotBytes: SNAPSHOT_BYTES });
  const { epoch } = one.state;
  await appendUntilTrimmed(cluster, one);
  // A hub that stops now has never had the blocks that are lost.
  await (await cluster.open('b', { folder })).close();
  for (let count = 0; count < 20; count++) await one.append([record('n', { retain: 'none' })]);
  await appendUntilTrimmed(cluster, one);
  // A snapshot that is being stored is complete after this.
  await one.close();
  const [newest] = (await cluster.snapshots.list()) as [Snapshot];
  cluster.journal.rollBack(newest.sequence - lost);
  const block = { kind: 'events', data: encodeExactBatch([record('z')]) } as const;
  for (let count = 1; count <= added; count++) cluster.journal.append({ id: `z-${count}`, ...block });
  const places = isEmptyFirst ? [temporaryFolder(), folder] : [folder, temporaryFolder()];
  for (const place of places) {
    const log = await cluster.open('c', { folder: place });
    expect(log.state.epoch > epoch).toBe(true);
    // It used the older snapshot, or the view that it had.
    expect(log.stats()['appliedSequence']).toBe(cluster.journal.last);
    await log.close();
  }
  const { first, last } = cluster.journal.extent;
  const blocks = Array.from({ length: last - first + 1 }, (_, at) => cluster.journal.at(first + at) as Block);
  expect(blocks.filter((each) => epochOf(each) !== undefined)).toHaveLength(1);
});

test('a hub that runs finds a snapshot that the journal contradicts, and a new epoch begins once', async () => {
  const cluster = new TestCluster();
  const folder = temporaryFolder();
  let log = await cluster.open('a', { folder, snapshotBytes: SNAPSHOT_BYTES });
  await log.append([record('a')]);
  const { epoch } = log.state;
  const file = join(temporaryFolder(), 'snapshot');
  writeFileSync(file, 'a view');
  await cluster.snapshots.write({ sequence: 2, id: 'lost-1', epoch }, file);
  let isReset = false;
  sharedOf(log).onReset(() => (isReset = true));
  while (!isReset)
    await log.append([record('a', { body: Buffer.alloc(SNAPSHOT_BYTES / 4) })]).catch(() => new Promise(setImmediate));
  await log.close();
  log = await cluster.open('a', { folder, snapshotBytes: SNAPSHOT_BYTES });
  const renewed = log.state.epoch;
  expect(renewed > epoch).toBe(true);
  await appendUntilTrimmed(cluster, log);
  expect(log.state.epoch).toBe(renewed);
  expect((await cluster.snapshots.list()).map(({ id }) => id)).not.toContain('lost-1');
});

test.each([
  { what: 'rolled back', through: 6, left: 3 },
  { what: 'wiped', through: 0, left: 0 },
])('a journal that was $what is noticed, and leads to a new epoch', async ({ through, left }) => {
  const cluster = new TestCluster();
  const folders = [temporaryFolder(), temporaryFolder()];
  const names = ['a', 'b'];
  const open = (at: number): Promise<Log> => cluster.open(names[at] as string, { folder: folders[at] as string });
  const first = [await open(0), await open(1)];
  for (let count = 0; count < 6; count++) await first[0]?.append([record('a')]);
  const { epoch } = (first[0] as Log).state;
  await reached(first[1] as Log, epoch, 7);
  const resets = first.map((log) => new Promise<void>((resolve) => sharedOf(log).onReset(resolve)));
  cluster.journal.rollBack(through);
  await Promise.all(resets);
  await expect((first[0] as Log).append([record('a')])).rejects.toMatchObject({ code: 'log_unavailable' });
  await Promise.all(first.map((log) => log.close()));
  const again = [await open(0), await open(1)];
  const [one, other] = again as [Log, Log];
  await one.append([record('b')]);
  await reached(other, one.state.epoch, one.state.head);
  expect(one.state.epoch > epoch).toBe(true);
  expect(other.state).toEqual(one.state);
  expect(one.state).toMatchObject({ epochStart: left, head: left + 1 });
  expect(await textsOf(other)).toEqual(await textsOf(one));
  expect(resolveStart(encodeCursor(epoch, 6), other.state)).toMatchObject({ position: left, gap: { reason: 'epoch' } });
});

test('a hub that is told of a new epoch while it runs opens its log again', async () => {
  const cluster = new TestCluster();
  const folder = temporaryFolder();
  const gone = await cluster.open('a', { folder });
  await gone.append([record('a')]);
  const { epoch } = gone.state;
  await gone.close();
  // Another hub is here that never saw the lost block.
  cluster.journal.rollBack(1);
  const behind = await cluster.open('b');
  const reset = new Promise<void>((resolve) => sharedOf(behind).onReset(resolve));
  const back = await cluster.open('a', { folder });
  expect(back.state.epoch > epoch).toBe(true);
  await reset;
  expect(behind.state.epoch).toBe(back.state.epoch);
});

/**
 * A home whose views have a thread that ends after the commit of a block of a kind:
 * the outcome is lost, once.
 */
function losingOutcomeOf(kind: Block['kind']): typeof sqlite {
  let isLost = false;
  return withApply(async (apply, blocks) => {
    const outcomes = await apply(blocks);
    if (isLost || blocks.every((block) => block.kind !== kind || Buffer.from(block.data).equals(MARK))) return outcomes;
    isLost = true;
    throw new PolycastError('log_unavailable');
  });
}

/** A home whose views apply blocks through a function. */
function withApply(
  applyThrough: (apply: LogView['apply'], blocks: readonly Block[]) => ReturnType<LogView['apply']>,
): typeof sqlite {
  return {
    ...sqlite,
    async openView(options) {
      const view = await sqlite.openView(options);
      const apply = view.apply.bind(view);
      view.apply = (blocks) => applyThrough(apply, blocks);
      return view;
    },
  };
}

test('a hub that loses the outcome of a new epoch opens its log again', async () => {
  const cluster = new TestCluster();
  const folder = temporaryFolder();
  const log = await cluster.open('a', { folder, home: losingOutcomeOf('epoch') });
  const { epoch } = log.state;
  const reset = new Promise<void>((resolve) => sharedOf(log).onReset(resolve));
  const to = epochAfter(epoch, START_MS, 0);
  cluster.journal.append({ id: 'z-1', kind: 'epoch', data: commandBytes({ from: epoch, to }) });
  await reset;
  await log.close();
  expect((await cluster.open('a', { folder })).state.epoch).toBe(to);
});

test('a hub that loses the outcome of its own first block, or of its own new epoch, starts', async () => {
  const cluster = new TestCluster();
  // After brokers were wiped, a block of another hub may be the first one.
  cluster.journal.append({ id: 'z-1', kind: 'events', data: encodeExactBatch([record('a')]) });
  const log = (await cluster.open('a', { home: losingOutcomeOf('genesis') })) as JournaledLog;
  const { epoch } = log.state;
  expect(epoch).toHaveLength(10);
  const other = (await cluster.open('b', { home: losingOutcomeOf('epoch') })) as JournaledLog;
  const to = epochAfter(epoch, START_MS, 0);
  await other.epochs.renew(to);
  expect(other.state.epoch).toBe(to);
});

test.each([{ isFull: false }, { isFull: true }])(
  'the brokers lose a block that a hub has received and not applied: a new epoch begins, brokers full: $isFull',
  async ({ isFull }) => {
    const cluster = new TestCluster();
    const folder = temporaryFolder();
    let isDiskFull = false;
    const { promise: received, resolve: onReceived } = Promise.withResolvers<void>();
    const home = withApply((apply, blocks) => {
      if (!isDiskFull) return apply(blocks);
      onReceived();
      return Promise.reject(new PolycastError('log_full'));
    });
    const [one, other] = [await cluster.open('a'), await cluster.open('b', { folder, home })];
    await one.append([record('a')]);
    await reached(other, one.state.epoch, 1);
    isDiskFull = true;
    await one.append([record('a')]);
    await received;
    const { epoch } = one.state;
    // The hub that has applied the block ends, and its disk is lost.
    await one.close();
    const reset = new Promise<void>((resolve) => sharedOf(other).onReset(resolve));
    if (isFull) cluster.journal.isFull = true;
    cluster.journal.rollBack(cluster.journal.last - 1);
    if (isFull) {
      await expect.poll(() => cluster.journal.refused).toBeGreaterThan(0);
      cluster.journal.isFull = false;
    }
    await reset;
    await other.close();
    const again = await cluster.open('c');
    expect(again.state.epoch > epoch).toBe(true);
    expect(resolveStart(encodeCursor(epoch, 2), again.state)).toMatchObject({ gap: { reason: 'epoch' } });
  },
);

test('trims whose outcome a hub loses are reported there', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b', { home: losingOutcomeOf('trim') })];
  const trimmed: unknown[] = [];
  sharedOf(other).onTrimmed((orders) => trimmed.push(...orders));
  await one.append([record('a'), record('a')]);
  const order = { channel: 'a', countMax: 1 };
  await one.trim([order], START_MS);
  await expect.poll(() => trimmed).toEqual([order]);
});
