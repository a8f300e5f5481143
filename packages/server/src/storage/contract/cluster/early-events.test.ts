import type { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { PolycastError } from '@polycast/protocol';
import type { AppendOutcome, Log, LogState, StoredRecord } from '../../../core/ports.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { reached, sharedOf, TestCluster, textsOf } from '../../../testing/folder-cluster.ts';
import { encodeExactBatch } from '../../shared/batch-codec.ts';
import { HOMES } from '../../homes.ts';
import type { LogView } from '../../view/log-view.ts';
import { kinds, queryAll, record } from '../log/log-fixtures.ts';
import { startedThreads } from '../../../testing/started-threads.ts';

type Home = (typeof HOMES)[string];
type Apply = LogView['apply'];

/** What a view does with blocks. A test may hold it, or let it fail. */
interface Disk {
  apply: (apply: Apply, request: Parameters<Apply>) => ReturnType<Apply>;
  isFull: boolean;
  failures: number;
}

const passThrough: Disk['apply'] = (apply, request) => apply(...request);

function withDisk(home: Home, disk: Disk): Home {
  return {
    ...home,
    async openView(options) {
      const view = await home.openView(options);
      const apply = view.apply.bind(view);
      view.apply = async (...request) => {
        if (!disk.isFull) return disk.apply(apply, request);
        disk.failures++;
        throw new PolycastError('log_full');
      };
      const prototype = Object.getPrototypeOf(view) as LogView;
      const state = (): LogState => Reflect.get(prototype, 'state', view) as LogState;
      Object.defineProperty(view, 'state', {
        get: () => ({ ...state(), ...(disk.isFull && { unavailable: 'log_full' }) }),
      });
      return view;
    },
  };
}

/** Holds the commits of a view. @returns releases them */
function hold(disk: Disk): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  disk.apply = async (apply, request) => {
    await promise;
    return apply(...request);
  };
  return () => {
    disk.apply = passThrough;
    resolve();
  };
}

/** Whether a promise settles within the turns of a publish, while commits of its view are held. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const onSettled = (): void => void (settled = true);
  promise.then(onSettled, onSettled);
  for (let turns = 0; turns < 100; turns++) await new Promise(setImmediate);
  return settled;
}

describe.each(Object.keys(HOMES))('%s', (name) => {
  const home = HOMES[name] as Home;

  async function openPair(
    channelsMax?: number,
  ): Promise<{ one: Log; other: Log; disk: Disk; cluster: TestCluster; passed: StoredRecord[] }> {
    const cluster = new TestCluster();
    const disk: Disk = { apply: passThrough, isFull: false, failures: 0 };
    const one = await cluster.open('a', {
      home: withDisk(home, disk),
      ...(channelsMax !== undefined && { channelsMax }),
    });
    const other = await cluster.open('b', { home });
    const passed: StoredRecord[] = [];
    one.follow((records) => void passed.push(...records));
    other.follow(() => undefined);
    // The first block of a process may be a copy of an earlier one.
    await one.append([record('a')]);
    await other.append([record('a')]);
    await reached(one, one.state.epoch, 2);
    return { one, other, disk, cluster, passed };
  }

  test('events without a condition are confirmed, and passed on once, before the view commits them', async () => {
    const { one, other, disk, passed } = await openPair();
    const release = hold(disk);
    expect(await one.append([record('a'), record('new')])).toEqual([
      { kind: 'appended', position: 3 },
      { kind: 'appended', position: 4 },
    ]);
    await other.append([record('b')]);
    await expect.poll(() => passed.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5]);
    expect(one.state.head).toBe(5);
    expect(one.reach?.({ epoch: one.state.epoch, position: 5 })).toBeUndefined();
    release();
    expect(await textsOf(one)).toEqual(await textsOf(other));
    expect(passed.map(({ position, channel }) => `${position} ${channel}`)).toEqual([
      '1 a',
      '2 a',
      '3 a',
      '4 new',
      '5 b',
    ]);
  });

  test('a read, a count and a list of channels wait for what was confirmed', async () => {
    const { one, disk } = await openPair();
    const release = hold(disk);
    await one.append([record('new')]);
    const answers = [
      one.read(queryAll(one, ['>'])).then(({ records }) => records.length),
      one
        .read({ ...queryAll(one, ['>']), direction: 'backward', limit: 1 })
        .then(({ records }) => records[0]?.position),
      one.count(queryAll(one, ['>'])).then(({ count }) => count),
      one.channels({ after: '', limit: 10 }).then(({ length }) => length),
    ];
    expect(await isSettled(Promise.race(answers))).toBe(false);
    expect((await one.read({ ...queryAll(one, ['>']), through: 2 })).records).toHaveLength(2);
    release();
    expect(await Promise.all(answers)).toEqual([3, 3, 3, 2]);
  });

  test('what only the view can tell waits for its commit, and so does all that follows', async () => {
    const { one, disk, passed } = await openPair();
    for (const uncertain of [record('a', { idempotencyKey: 'k', fingerprint: 'f' }), record('a', { ifLatest: 0 })]) {
      const { length } = passed;
      const release = hold(disk);
      const outcomes = one.append([uncertain]);
      const later = one.append([record('a')]);
      expect(await isSettled(Promise.race([outcomes, later]))).toBe(false);
      expect(passed).toHaveLength(length);
      release();
      await Promise.all([outcomes, later]);
    }
    expect(kinds(await one.append([record('a', { idempotencyKey: 'k', fingerprint: 'f' })]))).toEqual(['duplicate']);
  });

  test('a copy of a block is not passed on', async () => {
    const { one, cluster, passed } = await openPair();
    const append = (id: string): void =>
      void cluster.journal.append({ id, kind: 'events', data: encodeExactBatch([record('a')]) });
    for (const id of ['z-1', 'z-2', 'z-3']) append(id);
    await expect.poll(() => passed).toHaveLength(5);
    // The journal knows the ids of its blocks alone.
    cluster.journal.trim(cluster.journal.last);
    for (const id of ['z-2', 'z-3', 'z-4']) append(id);
    await expect.poll(() => passed.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6]);
    await sharedOf(one).reachNewest();
    expect(passed).toHaveLength(6);
    expect(one.state.head).toBe(6);
  });

  test('a copy of an older block is not taken for a new one after a restart', async () => {
    const cluster = new TestCluster();
    const folder = temporaryFolder();
    const append = (id: string): void =>
      void cluster.journal.append({ id, kind: 'events', data: encodeExactBatch([record('a')]) });
    const before = await cluster.open('a', { home, folder });
    for (const id of ['z-1', 'z-2', 'z-3', 'z-4']) append(id);
    await sharedOf(before).reachNewest();
    await before.close();
    const log = await cluster.open('a', { home, folder });
    const passed: StoredRecord[] = [];
    log.follow((records) => void passed.push(...records));
    cluster.journal.trim(cluster.journal.last);
    for (const id of ['z-2', 'z-3']) {
      append(id);
      await sharedOf(log).reachNewest();
    }
    append('z-5');
    await expect.poll(() => passed.map(({ position }) => position)).toEqual([5]);
    expect(log.state.head).toBe(5);
  });

  test('what was passed on is applied before a block that this version does not know', async () => {
    const { one, disk, cluster } = await openPair();
    const release = hold(disk);
    await one.append([record('a')]);
    cluster.journal.append({ id: 'y-1', kind: 'later' as 'events', data: new Uint8Array(1) });
    release();
    expect(await textsOf(one)).toHaveLength(3);
    await expect.poll(() => one.problems).toContain('cluster_upgrade_needed');
  });

  test('a log that closes commits what it has passed on', async () => {
    const { one, disk } = await openPair();
    let events = 0;
    disk.apply = (apply, request) => {
      events += request[0].filter(({ kind }) => kind === 'events').length;
      return apply(...request);
    };
    await one.append([record('a')]);
    await one.close();
    expect(events).toBe(1);
  });

  test('while the disk is full, reads get what the view has', async () => {
    const { one, disk } = await openPair();
    await one.append([record('a')]);
    disk.isFull = true;
    await expect.poll(() => disk.failures).toBeGreaterThan(0);
    for (const direction of ['forward', 'backward'] as const)
      expect((await one.read({ ...queryAll(one, ['>']), through: 3, direction })).records).toHaveLength(2);
    await expect(one.read({ ...queryAll(one, ['>']), after: 2, through: 3 })).rejects.toMatchObject({
      code: 'log_full',
    });
    disk.isFull = false;
    await expect.poll(() => textsOf(one)).toHaveLength(3);
  });

  test('near the limit of channels the view decides', async () => {
    const { one, disk } = await openPair(4);
    const release = hold(disk);
    expect(kinds(await one.append([record('b'), record('c')]))).toEqual(['appended', 'appended']);
    const outcomes = one.append([record('d'), record('e')]);
    expect(await isSettled(outcomes)).toBe(false);
    release();
    expect(kinds(await outcomes)).toEqual(['appended', 'channel_limit']);
  });

  test('a view that fails after its events were passed on gets them again, and nobody else does', async () => {
    const { one, other, disk, passed } = await openPair();
    let failures = 0;
    disk.apply = async (apply, request) => {
      if (failures++ < 2) throw new PolycastError('log_full');
      return apply(...request);
    };
    const outcomes: (readonly AppendOutcome[])[] = [];
    for (let count = 0; count < 5; count++) outcomes.push(await one.append([record('a')]));
    expect(outcomes.flatMap(kinds)).toEqual(Array.from({ length: 5 }, () => 'appended'));
    await sharedOf(other).reachNewest();
    expect(await textsOf(one)).toEqual(await textsOf(other));
    expect(failures).toBeGreaterThan(2);
    expect(passed.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

test('a view whose thread ended after a commit has its exact head, also when the last event was ephemeral', async () => {
  const workers = startedThreads();
  const log = await new TestCluster().open('a');
  const passed: StoredRecord[] = [];
  log.follow((records) => void passed.push(...records));
  for (let count = 0; count < 3; count++) await log.append([record('a')]);
  await log.read(queryAll(log, ['>']));
  for (const worker of workers) endAtNextAnswer(worker);
  const lost = log.append([record('a', { idempotencyKey: 'k', fingerprint: 'f' }), record('e', { retain: 'none' })]);
  await expect(lost).rejects.toMatchObject({ code: 'outcome_unknown' });
  await expect.poll(() => log.state.head, { timeout: 10_000 }).toBe(5);
  await expect.poll(() => log.state.unavailable, { timeout: 10_000 }).toBeUndefined();
  expect(await log.append([record('a')])).toEqual([{ kind: 'appended', position: 6 }]);
  await log.read(queryAll(log, ['>']));
  expect(log.problems).toEqual([]);
  expect(passed.map(({ position }) => position)).toEqual([1, 2, 3, 4, 6]);
});

/** Ends a thread in place of its next answer. */
function endAtNextAnswer(worker: Worker): void {
  const emit = worker.emit.bind(worker) as (name: string, ...values: unknown[]) => boolean;
  worker.emit = ((name: string, ...values: unknown[]) => {
    if (name !== 'message') return emit(name, ...values);
    void worker.terminate();
    return true;
  }) as typeof worker.emit;
}
