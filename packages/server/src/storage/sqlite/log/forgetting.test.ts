import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { queryAll, channelsRead, HOUR_MS, record, START_MS, trimAll } from '../../contract/log/log-fixtures.ts';
import { openSqliteLog } from './open-sqlite-log.ts';

const LATER_MS = START_MS + 2 * HOUR_MS;

async function opened(folder?: string): Promise<{ log: Log; folder: string }> {
  const within = folder ?? (await mkdtemp(join(tmpdir(), 'polycast-forgetting-')));
  const log = await openSqliteLog({ folder: within });
  onTestFinished(async () => {
    await log.close();
    await rm(within, { recursive: true, force: true });
  });
  return { log, folder: within };
}

const lost = async (log: Log, pattern: string): Promise<number> =>
  (await log.read(queryAll(log, [pattern]))).trimmedThrough;

test('a reader thread that missed more changes than are kept reads the whole table again', async () => {
  const { log } = await opened();
  const channels = Array.from({ length: 20_000 }, (_, index) => `once.${index}`);
  await log.append([...channels, 'once.kept', 'other.kept'].map((channel) => record(channel)));
  expect((await log.read({ ...queryAll(log, ['once.*']), limit: 1 })).records).toHaveLength(1);
  await trimAll(
    log,
    channels.map((channel) => ({ channel, countMax: 0 })),
    LATER_MS,
  );
  await log.append([record('once.7'), record('other.kept')]);
  expect(await channelsRead(log, ['once.*'])).toEqual(['once.kept', 'once.7']);
  expect(await channelsRead(log, ['*.kept'])).toEqual(['once.kept', 'other.kept', 'other.kept']);
  expect(await channelsRead(log, ['once.8'])).toEqual([]);
  expect([await lost(log, 'once.8'), await lost(log, 'other.>')]).toEqual([20_000, 0]);
});

test('losses of prefixes are known after a reopening, merged or not', async () => {
  const first = await opened();
  const channels = Array.from({ length: 10_500 }, (_, index) => `f${index}`);
  await first.log.append(channels.map((channel) => record(channel)));
  await trimAll(
    first.log,
    channels.map((channel) => ({ channel, countMax: 0 })),
    LATER_MS,
  );
  const patterns = ['f0', 'f0.x', 'f999', 'f1500', 'f9999.>', 'unknown', '>'];
  const before = await Promise.all(patterns.map((pattern) => lost(first.log, pattern)));
  await first.log.close();
  const { log } = await opened(first.folder);
  expect(await Promise.all(patterns.map((pattern) => lost(log, pattern)))).toEqual(before);
  await log.append([record('f9999'), record('f0')]);
  expect([await lost(log, 'f9999'), await lost(log, 'f0')]).toEqual([10_000, before[0]]);
});
