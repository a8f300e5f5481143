import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { eventsBlock, GENESIS, record } from '../../contract/log/log-fixtures.ts';
import type { LogView } from '../../view/log-view.ts';
import { copyViewAsLog } from './change-role.ts';
import { openSqliteLog } from './open-sqlite-log.ts';
import { openSqliteView } from './sqlite-view.ts';
import { startedThreads } from '../../../testing/started-threads.ts';

const BLOCKS = [GENESIS, eventsBlock(2, 100), eventsBlock(3, 100)];

const EVERYTHING = {
  patterns: ['>'],
  types: undefined,
  after: 0,
  direction: 'forward',
  limit: 1_000,
  bytesMax: 1e6,
} as const;

/** Applies blocks without an end, and says so after the first ones. */
const BUILDER = `
const { openSqliteView } = await import(process.argv[1]);
const { eventsBlock, GENESIS } = await import(process.argv[2]);
const view = await openSqliteView({ folder: process.argv[3], auditEntriesMax: 10 });
await view.apply([GENESIS]);
for (let sequence = 2; ; sequence++) {
  await view.apply([eventsBlock(sequence, 500)], true);
  if (sequence === 20) process.stdout.write('building');
}
`;

test('a view that was closed while it was built begins anew, and one that was finished goes on', async () => {
  const folder = temporaryFolder();
  const building = await openView(folder);
  await building.apply(BLOCKS);
  expect([isMarked(folder), filesBeside(folder)]).toEqual([true, ['log.db-building']]);
  await building.close();

  const again = await openView(folder);
  expect(again.applied.sequence).toBe(0);
  await again.apply(BLOCKS);
  await again.endBuild();
  await again.apply([eventsBlock(4)]);
  expect(filesBeside(folder)).toContain('log.db-wal');
  await again.close();
  expect(isMarked(folder)).toBe(false);

  const finished = await openView(folder);
  expect([finished.applied.sequence, await readCount(finished)]).toEqual([4, 201]);
});

test('a view whose hub is killed while it is built begins anew', async () => {
  const folder = temporaryFolder();
  const modules = ['sqlite-view.ts', '../../contract/log/log-fixtures.ts'];
  const urls = modules.map((module) => new URL(module, import.meta.url).href);
  const words = ['--input-type=module', '--eval', BUILDER, ...urls, folder];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect([existsSync(join(folder, 'log.db')), isMarked(folder)]).toEqual([true, true]);

  const view = await openView(folder);
  expect(view.applied.sequence).toBe(0);
  await view.apply(BLOCKS);
  expect(await readCount(view)).toBe(200);
});

test('after a failure the view is lost, and the next one is built with a write-ahead log', async () => {
  const folder = temporaryFolder();
  const workers = startedThreads();
  const view = await openView(folder);
  await view.apply([GENESIS]);
  expect(view.isLost).toBe(false);
  await workers[0]?.terminate();
  await expect(view.apply([eventsBlock(2)])).rejects.toMatchObject({ code: 'log_unavailable' });
  expect(view.isLost).toBe(true);
  await view.close();

  const next = await openView(folder);
  expect([next.applied.sequence, isMarked(folder)]).toEqual([0, false]);
  await next.apply(BLOCKS);
  await next.close();
  expect((await openView(folder)).applied.sequence).toBe(3);
});

test('a log that took the place of a view that was never created is not removed', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'log.db-building'), '');
  const log = await openSqliteLog({ folder });
  await log.append([record('a')]);
  await log.close();
  await expect(openSqliteView({ folder, auditEntriesMax: 10 })).rejects.toMatchObject({ reason: 'not_empty' });
  const again = await openSqliteLog({ folder });
  onTestFinished(() => again.close());
  expect(again.state.head).toBe(1);
});

test('a view that is not complete does not become the log of one hub', async () => {
  const folder = temporaryFolder();
  const view = await openView(folder);
  await view.apply(BLOCKS);
  await expect(copyViewAsLog(folder, temporaryFolder())).rejects.toThrow('is not complete');
  await view.endBuild();
  await view.close();
  expect(await copyViewAsLog(folder, temporaryFolder())).toMatchObject({ events: 200 });
});

function isMarked(folder: string): boolean {
  return existsSync(join(folder, 'log.db-building'));
}

/** Those of SQLite, and the mark. */
function filesBeside(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('log.db-'));
}

async function readCount(view: LogView): Promise<number> {
  return (await view.read({ ...EVERYTHING, through: view.state.head })).records.length;
}

async function openView(folder: string): Promise<LogView> {
  const view = await openSqliteView({ folder, auditEntriesMax: 10 });
  onTestFinished(() => view.close());
  return view;
}
