import { appendFile, cp, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { queryAll, record } from '../../contract/log/log-fixtures.ts';
import { logFiles } from './log-files.ts';
import { renewEpoch } from './open-database.ts';
import { openSqliteLog } from './open-sqlite-log.ts';

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-folder-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function open(folder: string): Promise<Log> {
  const log = await openSqliteLog({ folder });
  onTestFinished(() => log.close());
  return log;
}

/** A closed log with some events. */
async function filled(folder: string, events = 3): Promise<{ epoch: string; head: number }> {
  const log = await openSqliteLog({ folder });
  await log.append(Array.from({ length: events }, (_, index) => record(`c.${index % 7}`)));
  const { epoch, head } = log.state;
  await log.close();
  return { epoch, head };
}

describe('a file that cannot be opened is refused and not changed', () => {
  test.each<{ what: string; reason: string; damage: (file: string) => Promise<void> }>([
    { what: 'a text file', reason: 'corrupt', damage: (file) => writeFile(file, 'hello, this is no database at all') },
    {
      what: 'a file torn in the middle',
      reason: 'corrupt',
      damage: async (file) => truncate(file, (await stat(file)).size - 8192),
    },
    { what: 'a file torn within its first page', reason: 'corrupt', damage: (file) => truncate(file, 1000) },
    {
      what: 'a page full of nonsense',
      reason: 'corrupt',
      damage: (file) => overwrite(file, 4096 * 3, Buffer.alloc(4096, 0xa5)),
    },
    { what: 'a newer schema', reason: 'newer_schema', damage: (file) => execute(file, 'PRAGMA user_version = 999') },
    {
      what: 'a database of another program',
      reason: 'corrupt',
      damage: (file) => rm(file).then(() => execute(file, 'CREATE TABLE other (a)')),
    },
    {
      what: "a database with another program's id",
      reason: 'corrupt',
      damage: (file) => execute(file, 'PRAGMA application_id = 1'),
    },
  ])('$what', async ({ reason, damage }) => {
    const folder = await temporaryFolder();
    await filled(folder, 500);
    const file = join(folder, 'log.db');
    await damage(file);
    const before = await readFile(file);
    await expect(openSqliteLog({ folder })).rejects.toMatchObject({
      name: 'DataFolderError',
      reason,
      message: expect.stringMatching(/(move|Start|choose)/i),
    });
    expect(Buffer.compare(before, await readFile(file))).toBe(0);
  });
});

test('a first page of zeros is not damage if the write-ahead log has that page', async () => {
  const folder = await temporaryFolder();
  const cut = join(folder, 'cut');
  await mkdir(join(folder, 'whole'));
  const log = await open(join(folder, 'whole'));
  await log.append(Array.from({ length: 500 }, (_, index) => record(`c.${index % 7}`)));
  await cp(join(folder, 'whole'), cut, { recursive: true });
  await overwrite(join(cut, 'log.db'), 0, Buffer.alloc(4096));
  const again = await open(cut);
  expect((await again.read(queryAll(again, ['>']))).records).toHaveLength(500);
});

describe('epochs', () => {
  test('stay when a folder is opened again, and positions continue', async () => {
    const folder = await temporaryFolder();
    const { epoch, head } = await filled(folder);
    const log = await open(folder);
    expect(log.state).toEqual({ epoch, epochStart: 0, head, unavailable: undefined });
    expect(await log.append([record('a')])).toEqual([{ kind: 'appended', position: head + 1 }]);
  });

  test('end with the folder', async () => {
    const folder = await temporaryFolder();
    const { epoch } = await filled(folder);
    await rm(folder, { recursive: true });
    await mkdir(folder);
    const log = await open(folder);
    expect(log.state.epoch).not.toBe(epoch);
    expect(log.state.head).toBe(0);
  });

  test('end when the folder is a copy, and its events can be read', async () => {
    const folder = await temporaryFolder();
    const { epoch, head } = await filled(folder);
    const copy = await temporaryFolder();
    await cp(folder, copy, { recursive: true });
    const log = await open(copy);
    expect(log.state.epoch > epoch).toBe(true);
    expect(log.state).toMatchObject({ epochStart: head, head });
    expect((await log.read(queryAll(log, ['>']))).records).toHaveLength(3);
    expect((await open(folder)).state.epoch).toBe(epoch);
  });

  test('end when an older database is copied into its own file', async () => {
    const folder = await temporaryFolder();
    const { epoch } = await filled(folder);
    const backup = await readFile(join(folder, 'log.db'));
    await filled(folder);
    await writeFile(join(folder, 'log.db'), backup);
    expect((await open(folder)).state.epoch > epoch).toBe(true);
  });

  test('can be ended by an operator', async () => {
    const folder = await temporaryFolder();
    const { epoch, head } = await filled(folder);
    const renewed = renewEpoch(logFiles(folder));
    expect(renewed > epoch).toBe(true);
    const log = await open(folder);
    expect(log.state).toMatchObject({ epoch: renewed, epochStart: head, head });
  });

  test('are sorted although the clock goes back', async () => {
    const folder = await temporaryFolder();
    const { epoch } = await filled(folder);
    await rm(join(folder, 'generation.json'));
    const log = await openSqliteLog({ folder, nowMs: () => 0, chance: () => 0 });
    onTestFinished(() => log.close());
    expect(log.state.epoch > epoch).toBe(true);
  });

  test('do not end when the process ends between the two writes that begin a generation', async () => {
    const folder = await temporaryFolder();
    const { epoch } = await filled(folder);
    await writeFile(join(folder, 'generation.json'), '{"generation":2,"settled":false}\n');
    expect((await open(folder)).state.epoch).toBe(epoch);
  });
});

describe('opening again', () => {
  test('keys, trims and channels are loaded', async () => {
    const folder = await temporaryFolder();
    const first = await openSqliteLog({ folder });
    const key = record('a', { idempotencyKey: 'k', fingerprint: 'f' });
    const [outcome] = await first.append([key, record('a'), record('b')]);
    await first.trim([{ channel: 'a', countMax: 1 }], 0);
    await first.append([record('a', { retain: 'none' }), record('b', { retain: 'latest' })]);
    const before = {
      head: first.state.head,
      channels: await first.channels({ after: '', limit: 9 }),
      page: await first.read(queryAll(first, ['>'])),
    };
    await first.close();
    const log = await open(folder);
    expect({
      head: log.state.head,
      channels: await log.channels({ after: '', limit: 9 }),
      page: await log.read(queryAll(log, ['>'])),
    }).toEqual(before);
    expect(before.page.trimmedThrough).toBe(1);
    expect(await log.append([key])).toEqual([{ ...outcome, kind: 'duplicate', channel: 'a', timeMs: key.timeMs }]);
  });
});

async function overwrite(file: string, offset: number, bytes: Buffer): Promise<void> {
  const whole = await readFile(file);
  bytes.copy(whole, offset);
  await writeFile(file, whole);
}

async function execute(file: string, sql: string): Promise<void> {
  await appendFile(file, '');
  using database = new DatabaseSync(file);
  database.exec(sql);
}
