import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import type { Log, NewRecord, StoredRecord } from '../../../core/ports.ts';
import { openSqliteLog } from './open-sqlite-log.ts';
import { startedThreads } from '../../../testing/started-threads.ts';

test('a crashed writer is replaced: events it stored unacknowledged are delivered, and no position is assigned twice', async () => {
  const { log, writer, followed } = await openWatchedLog();
  const acknowledged: number[] = [];
  for (let n = 0; n < 3; n++) acknowledged.push(await append(log));
  const { epoch } = log.state;
  // The append is in flight when the thread ends. It may be stored or not.
  const onItsWay = log.append([record()]).then(
    () => 'stored',
    (error: { code: string }) => error.code,
  );
  await writer().terminate();
  expect(['stored', 'log_unavailable']).toContain(await onItsWay);
  await recovered(log);
  expect(log.state.epoch).toBe(epoch);
  acknowledged.push(await append(log));
  const positions = followed.map(({ position }) => position);
  expect(positions).toEqual([...new Set(positions)].sort((one, other) => one - other));
  expect(positions).toEqual(expect.arrayContaining(acknowledged));
  const { records } = await log.read(EVERYTHING(log));
  expect(records.map(({ position }) => position)).toEqual(positions);
});

test('a reader thread that ends is replaced', async () => {
  const { log, reader } = await openWatchedLog();
  await append(log);
  await log.read(EVERYTHING(log));
  await reader().terminate();
  await expect(log.read(EVERYTHING(log))).rejects.toMatchObject({ code: 'log_unavailable' });
  await recovered(log);
  expect((await log.read(EVERYTHING(log))).records).toHaveLength(1);
});

test('in a new folder the reader starts with the first event, and otherwise with the log', async () => {
  const { log, folder, threadCount } = await openWatchedLog();
  const nothing = { records: [], reached: 0, trimmedThrough: 0, erasedThrough: 0, corruptThrough: 0 };
  expect(await log.read(EVERYTHING(log))).toEqual(nothing);
  expect(await log.check?.(0)).toMatchObject({ reached: 0 });
  expect(threadCount()).toBe(1);
  const position = await append(log);
  expect(threadCount()).toBe(2);
  expect((await log.read(EVERYTHING(log))).records).toMatchObject([{ position }]);
  expect(threadCount()).toBe(2);
  await log.close();
  const again = await openSqliteLog({ folder });
  onTestFinished(() => again.close());
  expect(threadCount()).toBe(4);
});

test('a log that is closed while it replaces a thread is closed', async () => {
  const { log, writer } = await openWatchedLog();
  await append(log);
  await writer().terminate();
  await expect(append(log)).rejects.toMatchObject({ code: 'log_unavailable' });
  await log.close();
});

const EVERYTHING = (log: Log) => ({
  patterns: ['>'],
  types: undefined,
  after: 0,
  through: log.state.head,
  direction: 'forward' as const,
  limit: 100,
  bytesMax: 1e6,
});

/** A log with access to its threads. The writer is started first. */
async function openWatchedLog() {
  const workers = startedThreads();
  const folder = mkdtempSync(join(tmpdir(), 'polycast-'));
  const log = await openSqliteLog({ folder });
  onTestFinished(async () => {
    await log.close();
    rmSync(folder, { recursive: true });
  });
  const followed: StoredRecord[] = [];
  log.follow((records) => followed.push(...records));
  return {
    log,
    folder,
    followed,
    threadCount: () => workers.length,
    writer: () => workers[0] as Worker,
    reader: () => workers[1] as Worker,
  };
}

async function append(log: Log): Promise<number> {
  const [outcome] = await log.append([record()]);
  if (outcome?.kind !== 'appended') throw new Error('It was not appended.');
  return outcome.position;
}

function record(): NewRecord {
  return {
    channel: 'a',
    type: undefined,
    timeMs: 1,
    body: Buffer.from('"channel":"a","time":"1970-01-01T00:00:00.001Z","data":1}'),
    retain: 'history',
    idempotencyKey: undefined,
    fingerprint: undefined,
    ifLatest: undefined,
  };
}

async function recovered(log: Log): Promise<void> {
  await expect.poll(() => log.append([]).then(() => log.state.unavailable)).toBe(undefined);
}
