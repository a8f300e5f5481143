import { expect, test } from 'vitest';
import type { AppendOutcome, Log, StoredRecord } from '../../../core/ports.ts';
import { record, queryAll, positionOf, trimAll, kinds, HOUR_MS, START_MS } from './log-fixtures.ts';
import type { OpenLog } from './log-fixtures.ts';

export function trimTests(openLog: OpenLog): void {
  const NOW_MS = START_MS + HOUR_MS;
  const filled = async (): Promise<{ log: Log; positions: number[] }> => {
    const log = await openLog({});
    const outcomes = await log.append(
      [0, 1, 2, 3, 4, 5].map((index) =>
        record(index % 2 === 0 ? 'a' : 'b', { timeMs: START_MS + index, body: new Uint8Array(10 + index) }),
      ),
    );
    return { log, positions: outcomes.map(positionOf) };
  };

  test.each([
    { order: { countMax: 1 }, kept: [4] },
    { order: { bytesMax: 26 }, kept: [2, 4] },
    { order: { bytesMax: 25 }, kept: [4] },
    { order: { olderThanMs: START_MS + 2 }, kept: [2, 4] },
    { order: { olderThanMs: START_MS + 2, countMax: 1 }, kept: [4] },
    { order: { countMax: 3, bytesMax: 1000, olderThanMs: START_MS }, kept: [0, 2, 4] },
    { order: { countMax: 0 }, kept: [] },
  ])('$order keeps $kept of the channel, and all of the others', async ({ order, kept }) => {
    const { log, positions } = await filled();
    expect(await trimAll(log, [{ channel: 'a', ...order }], NOW_MS)).toBe(3 - kept.length);
    expect((await log.read(queryAll(log, ['a']))).records.map(({ position }) => positions.indexOf(position))).toEqual(
      kept,
    );
    expect((await log.read(queryAll(log, ['b']))).records).toHaveLength(3);
    expect((await log.channels({ after: '', limit: 1 }))[0]).toEqual({
      channel: 'a',
      count: kept.length,
      bytes: kept.reduce((sum, index) => sum + 10 + index, 0),
      oldestTimeMs: kept.length === 0 ? 0 : START_MS + (kept[0] as number),
      latestPosition: kept.length === 0 ? 0 : positions[4],
    });
  });

  test('trimmedThrough is exact for each channel, and for each set of channels', async () => {
    const { log, positions } = await filled();
    await trimAll(log, [{ channel: 'a', countMax: 1 }], NOW_MS);
    const lost = positions[2] as number;
    const after = (position: number, patterns: string[]): Promise<number> =>
      log.read({ ...queryAll(log, patterns), after: position }).then(({ trimmedThrough }) => trimmedThrough);
    expect(await after(0, ['a'])).toBe(lost);
    expect(await after(0, ['b'])).toBe(0);
    expect(await after(0, ['c'])).toBe(0);
    expect(await after(0, ['a', 'b'])).toBe(lost);
    expect(await after(0, ['*'])).toBe(lost);
    expect(await after(positions[1] as number, ['a'])).toBe(lost);
    expect(await after(lost, ['a'])).toBe(lost);
    expect(await after(lost + 1, ['>'])).toBe(lost + 1);
    expect((await log.read({ ...queryAll(log, ['a']), direction: 'backward' })).trimmedThrough).toBe(lost);
  });

  test('many events are removed in bounded steps', async () => {
    const log = await openLog({});
    await log.append(Array.from({ length: 3_000 }, (_, index) => record(`c.${index % 3}`)));
    const orders = [0, 1, 2].map((index) => ({ channel: `c.${index}`, countMax: 10 }));
    const first = await log.trim(orders, NOW_MS);
    expect(first.removed).toBeLessThan(2_970);
    expect(first.more).toBe(true);
    expect(first.removed + (await trimAll(log, orders, NOW_MS))).toBe(2_970);
    expect(await log.channels({ after: '', limit: 10 })).toMatchObject([{ count: 10 }, { count: 10 }, { count: 10 }]);
    expect(await log.trim(orders, NOW_MS)).toEqual({ removed: 0, more: false });
    expect((await log.read(queryAll(log, ['>']))).records).toHaveLength(30);
  });

  test('an unknown channel and an empty one cause no error', async () => {
    const { log } = await filled();
    await trimAll(log, [{ channel: 'a', countMax: 0 }], NOW_MS);
    expect(
      await log.trim(
        [
          { channel: 'a', countMax: 0, olderThanMs: NOW_MS },
          { channel: 'z', countMax: 0 },
        ],
        NOW_MS,
      ),
    ).toEqual({ removed: 0, more: false });
    expect(await log.append([record('a', { ifLatest: 0 })])).toMatchObject([{ kind: 'appended' }]);
  });

  test('an event that a latest channel lost by its age is a loss', async () => {
    const log = await openLog({});
    await log.append([record('a', { retain: 'latest' })]);
    await trimAll(log, [{ channel: 'a', olderThanMs: NOW_MS }], NOW_MS);
    expect((await log.read(queryAll(log, ['a']))).trimmedThrough).toBe(log.state.head);
  });
}

export function listTests(openLog: OpenLog): void {
  test('names in order, after a name, with a limit, only those appended to since a position', async () => {
    const log = await openLog({});
    const names = async (query: { after?: string; limit?: number; changedSince?: number }): Promise<string[]> =>
      (await log.channels({ after: '', limit: 100, ...query })).map(({ channel }) => channel);
    await log.append(['m', 'b', 'x.y', 'B'].map((channel) => record(channel)));
    const { head } = log.state;
    expect(await names({})).toEqual(['B', 'b', 'm', 'x.y']);
    await log.append([record('c'), record('b'), record('gone', { retain: 'none' })]);
    expect(await names({})).toEqual(['B', 'b', 'c', 'm', 'x.y']);
    expect(await names({ after: 'b' })).toEqual(['c', 'm', 'x.y']);
    expect(await names({ after: 'bb', limit: 1 })).toEqual(['c']);
    expect(await names({ changedSince: head })).toEqual(['b', 'c']);
    expect(await names({ changedSince: log.state.head })).toEqual([]);
  });

  test('counts, bytes and times', async () => {
    const log = await openLog({});
    const outcomes = await log.append([
      record('a', { timeMs: START_MS + 3, body: new Uint8Array(5) }),
      record('a', { timeMs: START_MS + 9, body: new Uint8Array(7) }),
    ]);
    expect(await log.channels({ after: '', limit: 10 })).toEqual([
      {
        channel: 'a',
        count: 2,
        bytes: 12,
        oldestTimeMs: START_MS + 3,
        latestPosition: positionOf(outcomes[1] as AppendOutcome),
      },
    ]);
  });
}

export function countTests(openLog: OpenLog): void {
  test('the number of stored events is exact after appends, replaced values, trims and erasures', async () => {
    const log = await openLog({});
    const expectExact = async (expected: number): Promise<void> => {
      const channels = await log.channels({ after: '', limit: 100 });
      expect(channels.reduce((sum, { count }) => sum + count, 0)).toBe(expected);
      expect(log.stats()['events']).toBe(expected);
    };
    await expectExact(0);
    const key = { idempotencyKey: 'k', fingerprint: 'f' };
    await log.append([record('a', key), record('a'), record('b'), record('c', { retain: 'none' })]);
    await log.append([record('a', key), record('b', { ifLatest: 1 })]);
    await expectExact(3);
    for (let value = 0; value < 3; value++) await log.append([record('v', { retain: 'latest' })]);
    await expectExact(4);
    const outcomes = await log.append([record('w'), record('w'), record('w')]);
    await log.append([record('w', { retain: 'latest' })]);
    await expectExact(5);
    await trimAll(log, [{ channel: 'a', countMax: 1 }], START_MS);
    await expectExact(4);
    await log.append([record('v', { retain: 'latest' }), record('a')]);
    await expectExact(5);
    const { latestPosition = 0 } = (await log.channels({ after: 'a', limit: 1 }))[0] ?? {};
    await log.erasing.erase({ positions: [latestPosition, ...outcomes.map(positionOf)], channels: [] });
    await expectExact(4);
  });
}

export function closeTests(openLog: OpenLog, isWriter: boolean): void {
  test('an accepted append is finished, and a later one is refused', async () => {
    const log = await openLog({});
    const followed: StoredRecord[] = [];
    log.follow((records) => followed.push(...records));
    const pending = log.append([record('a')]);
    await log.close();
    expect(kinds(await pending)).toEqual(['appended']);
    expect(followed).toHaveLength(1);
    const refused = { code: 'log_unavailable' };
    await expect(log.append([record('a')])).rejects.toMatchObject(refused);
    await expect(log.read(queryAll(log, ['a']))).rejects.toMatchObject(refused);
    await expect(log.channels({ after: '', limit: 1 })).rejects.toMatchObject(refused);
    await expect(log.trim([], 0)).rejects.toMatchObject(refused);
    expect(log.state.unavailable).toBe('log_unavailable');
    await log.close();
  });

  test('metrics are numbers under stable names', async () => {
    const log = await openLog({});
    await log.append([record('a'), record('b')]);
    await log.read(queryAll(log, ['a']));
    expect(log.stats()).toMatchObject(isWriter ? { commits: 1, records: 2, reads: 1 } : { reads: 1 });
    expect(Object.values(log.stats()).every((value) => Number.isFinite(value))).toBe(true);
  });
}
