import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Log, NewRecord } from '../../../core/ports.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { eraseAll, positionOf, queryAll, record, START_MS } from '../../contract/log/log-fixtures.ts';
import { openSqliteLog } from './open-sqlite-log.ts';

/** In the data of each event that is erased, and of those that retention removed before. */
const MARKER = 'the-marker-of-the-erased-user';

/** The files of a folder that hold a text. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(text));
}

function integrityOf(file: string): unknown {
  using database = new DatabaseSync(file, { readOnly: true });
  return database.prepare('PRAGMA integrity_check').get()?.['integrity_check'];
}

function marked(channel: string, bytes: number, more: Partial<NewRecord> = {}): NewRecord {
  return record(channel, { body: Buffer.from(`"data":"${MARKER} ${'x'.repeat(bytes)}"}`), ...more });
}

async function overwriteAll(log: Log): Promise<number> {
  for (let steps = 1; ; steps++) if ((await log.erasing.overwrite()) === 'done') return steps;
}

/** Bodies of one page, of several pages, and of the largest kind that this test uses. */
const SIZES = [20, 300, 2_000, 9_000, 70_000];

test('no file has a byte of an erased event: not the database, not its free pages, not the write-ahead log', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          isMarked: fc.boolean(),
          channel: fc.integer({ min: 0, max: 7 }),
          size: fc.constantFrom(...SIZES),
          retain: fc.constantFrom('history', 'history', 'latest'),
          hasKey: fc.boolean(),
        }),
        { minLength: 50, maxLength: 300 },
      ),
      fc.integer({ min: 0, max: 40 }),
      async (events, trimmedCount) => {
        const folder = temporaryFolder();
        const log = await openSqliteLog({ folder });
        const records = events.map(({ isMarked, channel, size, retain, hasKey }, index) => {
          const name = `${isMarked ? 'private' : 'shared'}.${retain}.${channel}`;
          const more: Partial<NewRecord> = {
            retain,
            timeMs: START_MS + index,
            ...(hasKey && { idempotencyKey: `key ${index}`, fingerprint: 'f' }),
          };
          return isMarked ? marked(name, size, more) : record(name, { ...more, body: new Uint8Array(size) });
        });
        for (let at = 0; at < records.length; at += 40) await log.append(records.slice(at, at + 40));
        // Retention removes some before, and does not overwrite their pages.
        const channels = (await log.channels({ after: '', limit: 100 })).map(({ channel }) => channel);
        await log.trim(
          channels.map((channel) => ({ channel, olderThanMs: START_MS + trimmedCount })),
          START_MS,
        );
        const { records: left } = await log.read(queryAll(log, ['private.>']));
        const others = (await log.read(queryAll(log, ['shared.>']))).records.length;
        await eraseAll(
          log,
          left.map(({ position }) => position),
          channels.filter((channel) => channel.startsWith('private.')),
        );
        await overwriteAll(log);
        expect(filesWith(folder, MARKER)).toEqual([]);
        expect(filesWith(folder, 'private.history')).toEqual([]);
        expect((await log.read(queryAll(log, ['shared.>']))).records).toHaveLength(others);
        // The writer does not write the old pages from its memory.
        await log.append(Array.from({ length: 20 }, () => record('shared.later', { body: new Uint8Array(2_000) })));
        await log.close();
        expect(filesWith(folder, MARKER)).toEqual([]);
        expect(integrityOf(join(folder, 'log.db'))).toBe('ok');
        const again = await openSqliteLog({ folder });
        expect((await again.read(queryAll(again, ['>']))).records).toHaveLength(others + 20);
        expect(again.stats()['damagedRanges']).toBe(0);
        await again.close();
      },
    ),
    // Without an end at the first failure, shrinking would take longer than the test may.
    { numRuns: 12, endOnFailure: true },
  );
});

test('without the overwriting, the files do hold the bytes of removed events', async () => {
  const folder = temporaryFolder();
  const log = await openSqliteLog({ folder });
  await log.append(Array.from({ length: 50 }, () => marked('private', 9_000)));
  await log.trim([{ channel: 'private', countMax: 0 }], START_MS);
  expect(filesWith(folder, MARKER)).not.toEqual([]);
  await overwriteAll(log);
  expect(filesWith(folder, MARKER)).toEqual([]);
  await log.close();
});

test('a crash while free pages are overwritten leaves no page in use: the next erasure releases them', async () => {
  const folder = temporaryFolder();
  const log = await openSqliteLog({ folder });
  const outcomes = await log.append(Array.from({ length: 400 }, () => marked('private', 9_000)));
  await eraseAll(log, outcomes.map(positionOf), ['private']);
  await log.erasing.overwrite();
  await log.close();
  const again = await openSqliteLog({ folder });
  const steps = await overwriteAll(again);
  expect(steps).toBeGreaterThan(2);
  expect(filesWith(folder, MARKER)).toEqual([]);
  await again.close();
});
