import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { AppendOutcome, Log, Overwritten } from '../../../core/ports.ts';
import { eventsBlock, GENESIS, queryAll, positionOf, readPages, record } from '../../contract/log/log-fixtures.ts';
import { lockDataFolder } from '../data-folder.ts';
import type { LogView } from '../../view/log-view.ts';
import { openSqliteLog } from './open-sqlite-log.ts';
import { openSqliteView } from './sqlite-view.ts';

const DISK_MB = 12;
const mounted = mountSmallDisk();

/** A file system of a few megabytes in memory. Undefined where mounting is not permitted. */
function mountSmallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

function unmount(): void {
  if (mounted === undefined) return;
  execFileSync('umount', [mounted]);
  rmSync(mounted, { recursive: true });
}

// Mounting needs root, and not every run of the tests has it.
describe.skipIf(mounted === undefined)('a full disk', () => {
  const disk = mounted as string;
  afterAll(unmount);
  beforeEach(() => resize(DISK_MB));

  /** Locks the folder as a hub does: a full disk must not prevent that. */
  async function open(name: string): Promise<Log> {
    const folder = join(disk, name);
    const lock = lockDataFolder(folder);
    const log = await openSqliteLog({ folder });
    onTestFinished(async () => {
      await log.close();
      lock.release();
      rmSync(folder, { recursive: true });
    });
    return log;
  }

  test('refuses publishers with log_full, keeps acknowledged events readable, and recovers without a restart', async () => {
    const log = await open('publish');
    const acknowledged: AppendOutcome[] = [];
    const followed: number[] = [];
    log.follow((records) => followed.push(...records.map(({ position }) => position)));
    await expect(appendUntilRefused(log, acknowledged)).rejects.toMatchObject({ code: 'log_full' });
    expect(log.state.unavailable).toBe('log_full');
    await expect(log.append([record('a')])).rejects.toMatchObject({ code: 'log_full' });
    await expectStored(log, acknowledged);

    await log.trim([{ channel: 'a', countMax: 1 }], 0).catch(() => undefined);
    freeSpace();
    await vi.waitFor(() => expect(log.state.unavailable).toBeUndefined(), { timeout: 10_000, interval: 50 });
    acknowledged.push(...(await log.append([record('after')])));
    await expectStored(log, acknowledged);
    expect(followed).toEqual(acknowledged.map(positionOf));
  });

  test('that fills up during commits leaves no partial event', async () => {
    const log = await open('batches');
    // The batches need more than one commit. The first commit fits on the disk.
    fill(disk, 6 * 1024 * 1024);
    const batches = Array.from({ length: 40 }, (_, batch) =>
      Array.from({ length: 10 }, (__, index) => record(`c.${batch}`, { body: new Uint8Array(20_000 + index) })),
    );
    const results = await Promise.allSettled(batches.map((batch) => log.append(batch)));
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['fulfilled', 'rejected']));
    const { records } = await log.read(queryAll(log, ['>']));
    for (const [index, { status }] of results.entries()) {
      expect(records.filter(({ channel }) => channel === `c.${index}`)).toHaveLength(status === 'fulfilled' ? 10 : 0);
    }
    freeSpace();
    await vi.waitFor(() => expect(log.state.unavailable).toBeUndefined(), { timeout: 10_000, interval: 50 });
    expect(await log.append([record('c.0')])).toMatchObject([{ kind: 'appended' }]);
  });

  test('loses nothing of the write-ahead log when that cannot be moved to the database', async () => {
    resize(32);
    const log = await open('checkpoint');
    const acknowledged: AppendOutcome[] = [];
    await expect(appendUntilRefused(log, acknowledged)).rejects.toMatchObject({ code: 'log_full' });
    expect(log.stats()['housekeepingFailures']).toBeGreaterThan(0);
    await expectStored(log, acknowledged);
    freeSpace();
    await vi.waitFor(() => expect(log.state.unavailable).toBeUndefined(), { timeout: 10_000, interval: 50 });
    acknowledged.push(...(await log.append([record('after')])));
    await expectStored(log, acknowledged);
  });

  test('does not prevent an erasure, which ends with no more than some kilobytes', async () => {
    const log = await open('erasing');
    for (let turn = 0; turn < 10; turn++)
      await log.append(Array.from({ length: 10 }, () => record('a', { body: new Uint8Array(20_000) })));
    expect(await overwriteAll(log)).toBe('done');
    await log.erasing.erase({ positions: [7], channels: [] });
    // The log has two megabytes, and a step needs some kilobytes.
    fill(disk, 1024 * 1024);
    expect(await overwriteAll(log)).toBe('done');
    expect(log.state.unavailable).toBeUndefined();
    expect(await log.append([record('after')])).toMatchObject([{ kind: 'appended' }]);
  });

  test('ends the build of a view, and the next one waits for room', async () => {
    const folder = join(disk, 'building');
    mkdirSync(folder);
    const blocks = [GENESIS, ...Array.from({ length: 40 }, (_, at) => eventsBlock(2 + at, 10_000))];
    const opened = [await openSqliteView({ folder, auditEntriesMax: 10 })];
    onTestFinished(() => rmSync(folder, { recursive: true }));
    onTestFinished(() => opened.at(-1)?.close());
    const applyAll = async (): Promise<void> => {
      const view = opened.at(-1) as LogView;
      for (const block of blocks) if (block.sequence > view.applied.sequence) await view.apply([block]);
    };
    await expect(applyAll()).rejects.toMatchObject({ code: 'log_full' });
    expect(opened[0]?.isLost).toBe(true);
    await opened[0]?.close();

    opened.push(await openSqliteView({ folder, auditEntriesMax: 10 }));
    await expect(applyAll()).rejects.toMatchObject({ code: 'log_full' });
    expect([opened[1]?.isLost, opened[1]?.applied.sequence]).toEqual([false, expect.any(Number)]);
    resize(160);
    await vi.waitFor(() => expect(opened[1]?.state.unavailable).toBeUndefined(), { timeout: 10_000, interval: 50 });
    await applyAll();
    expect(opened[1]?.state.head).toBe(400_000);
  });

  test('does not prevent a log from being opened and read', async () => {
    const folder = join(disk, 'opening');
    mkdirSync(folder);
    const first = await openSqliteLog({ folder });
    await first.append([record('a'), record('b')]);
    const { epoch, head } = first.state;
    await first.close();
    // SQLite's own shared memory file has to fit.
    fill(disk, 48 * 1024);
    const log = await open('opening');
    if (log.state.unavailable === undefined)
      await expect(appendUntilRefused(log, [])).rejects.toMatchObject({ code: 'log_full' });
    expect(log.state).toMatchObject({ epoch, unavailable: 'log_full' });
    expect((await log.read({ ...queryAll(log, ['>']), through: head })).records).toHaveLength(2);
    freeSpace();
    await vi.waitFor(() => expect(log.state.unavailable).toBeUndefined(), { timeout: 10_000, interval: 50 });
    expect(await log.append([record('a')])).toMatchObject([{ kind: 'appended' }]);
  });
});

async function appendUntilRefused(log: Log, acknowledged: AppendOutcome[]): Promise<never> {
  for (let turn = 0; ; turn++) {
    acknowledged.push(
      ...(await log.append([
        record('a', { body: new Uint8Array(4_000) }),
        record(`c.${turn % 100}`, { body: new Uint8Array(1_000) }),
      ])),
    );
  }
}

/** Repeats the steps while they go on. */
async function overwriteAll(log: Log): Promise<Overwritten> {
  for (;;) {
    const result = await log.erasing.overwrite();
    if (result !== 'more') return result;
  }
}

async function expectStored(log: Log, acknowledged: readonly AppendOutcome[]): Promise<void> {
  const pages = await readPages(log, { ...queryAll(log, ['>']), limit: 1_000 });
  expect(pages.flatMap(({ records }) => records.map(({ position }) => position))).toEqual(acknowledged.map(positionOf));
}

/** Fills the disk up to the given number of free bytes. */
function fill(disk: string, leftBytes: number): void {
  const availableKb = Number(
    execFileSync('df', ['--output=avail', '-k', disk], { encoding: 'utf8' }).trim().split('\n').at(-1),
  );
  writeFileSync(join(disk, 'filler'), Buffer.alloc(availableKb * 1024 - leftBytes));
}

function freeSpace(): void {
  rmSync(join(mounted as string, 'filler'), { force: true });
  resize(64);
}

function resize(sizeMb: number): void {
  execFileSync('mount', ['-o', `remount,size=${sizeMb}m`, mounted as string]);
}
