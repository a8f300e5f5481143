import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { eraseAll, positionOf, record, START_MS, trimAll } from '../../contract/log/log-fixtures.ts';
import { logFiles } from '../log/log-files.ts';
import { openSqliteLog } from '../log/open-sqlite-log.ts';
import { LogCopy } from './copy-log.ts';

const MARKER = 'the-marker-of-the-erased-user';

test('events that are erased or removed while the log is copied are not in the copy, and no byte of the erased ones', async () => {
  const folder = temporaryFolder();
  const log = await openSqliteLog({ folder });
  const names = ['shared', 'trimmed', 'emptied', 'untouched'];
  const records = Array.from({ length: 2_000 }, (_, index) => {
    const channel = names[index % names.length] as string;
    const isErased = channel === 'emptied' || (channel === 'shared' && index % 100 === 0);
    const text = isErased ? `${MARKER} ${index} ${'x'.repeat(300)}` : 'y'.repeat(300);
    return { isErased, new: record(channel, { body: Buffer.from(`"data":"${text}"`), timeMs: START_MS + index }) };
  });
  const outcomes = await log.append(records.map((each) => each.new));
  const erased = outcomes.map(positionOf).filter((_, index) => records[index]?.isErased);
  // This indexes the events. Those that are not indexed are copied in the last read only.
  await log.trim([], START_MS);

  const file = join(temporaryFolder(), 'copy');
  const copy = new DatabaseSync(file);
  copy.prepare('ATTACH ? AS source').run(`${pathToFileURL(logFiles(folder).database).href}?mode=ro`);
  let pauses = 0;
  const logCopy = new LogCopy(
    copy,
    async () => {
      if (pauses++ > 0) return;
      // Some of these events have been copied, and others not yet.
      expect(copy.prepare('SELECT count(*) AS count FROM main.event').get()).toEqual({ count: 500 });
      await eraseAll(log, erased, ['emptied']);
      await trimAll(log, [{ channel: 'trimmed', countMax: 30 }], START_MS);
    },
    () => undefined,
  );
  logCopy.createTables();
  await logCopy.copyEvents(() => undefined);
  logCopy.copyRest();
  copy.exec('DETACH source');
  const summary = logCopy.finish();

  expect(pauses).toBeGreaterThan(1);
  expect(summary).toMatchObject({ events: 480 + 30 + 500, channels: 3, incompleteChannels: 0 });
  const positions = (sql: string): unknown[] =>
    copy
      .prepare(sql)
      .all()
      .map((row) => row['position']);
  const left = positions('SELECT position FROM event ORDER BY position');
  expect(left).toHaveLength(summary.events);
  expect(positions('SELECT position FROM channel_event ORDER BY position')).toEqual(left);
  expect(left.filter((position) => erased.includes(position as number))).toEqual([]);
  expect(copy.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  copy.close();
  expect(readFileSync(file).includes(MARKER)).toBe(false);
  await log.close();
});
