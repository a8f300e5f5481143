import { expect, test } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import {
  channelsRead,
  positionOf,
  queryAll,
  record,
  trimAll,
  HOUR_MS,
  START_MS,
  type OpenLog,
} from './log-fixtures.ts';

export function eraseTests(openLog: OpenLog): void {
  const NOW_MS = START_MS + HOUR_MS;
  const CHANNELS = ['orders.1', 'orders.2', 'orders.1', 'news', 'orders.1', 'orders.2'];
  const filled = async (): Promise<{ readonly log: Log; readonly positions: readonly number[] }> => {
    const log = await openLog({});
    const outcomes = await log.append(CHANNELS.map((channel, index) => record(channel, { timeMs: START_MS + index })));
    return { log, positions: outcomes.map(positionOf) };
  };
  const lossOf = async (log: Log, patterns: readonly string[], after: number): Promise<readonly number[]> => {
    const { trimmedThrough, erasedThrough } = await log.read({ ...queryAll(log, patterns), after });
    return [trimmedThrough, erasedThrough];
  };

  test('an event in the middle of a channel goes, and its neighbours stay', async () => {
    const { log, positions } = await filled();
    const [first = 0, , middle = 0, , last = 0] = positions;
    expect(await log.erasing.erase({ positions: [middle], channels: [] })).toBe(1);
    const { records } = await log.read(queryAll(log, ['orders.1']));
    expect(records.map(({ position }) => position)).toEqual([first, last]);
    expect(await channelsRead(log, ['>'])).toEqual(CHANNELS.toSpliced(2, 1));
    expect((await log.channels({ after: 'orders', limit: 1 }))[0]).toMatchObject({
      channel: 'orders.1',
      count: 2,
      oldestTimeMs: START_MS,
      latestPosition: last,
    });
    expect(await log.count(queryAll(log, ['orders.*']))).toMatchObject({ count: 4 });
    expect(await log.erasing.erase({ positions: [middle], channels: [] })).toBe(0);
  });

  test('a reader before an erased event learns of it, and a reader after it does not', async () => {
    const { log, positions } = await filled();
    const [first = 0, , middle = 0] = positions;
    await log.erasing.erase({ positions: [middle], channels: [] });
    for (const patterns of [['orders.1'], ['orders.*'], ['>'], ['news', 'orders.1']])
      expect(await lossOf(log, patterns, first)).toEqual([middle, middle]);
    expect(await lossOf(log, ['orders.1'], middle)).toEqual([middle, middle]);
    expect(await lossOf(log, ['orders.1'], middle + 1)).toEqual([middle + 1, middle + 1]);
    expect(await lossOf(log, ['news'], 0)).toEqual([0, 0]);
    const backward = await log.read({ ...queryAll(log, ['orders.1']), direction: 'backward' });
    expect(backward.erasedThrough).toBe(middle);
  });

  test('the newest event of a channel: the one before it is the newest then', async () => {
    const { log, positions } = await filled();
    const [, second = 0, , , , newest = 0] = positions;
    await log.erasing.erase({ positions: [newest], channels: [] });
    expect((await log.channels({ after: 'orders.1', limit: 1 }))[0]).toMatchObject({
      latestPosition: second,
      count: 1,
    });
    const [conflict] = await log.append([record('orders.2', { ifLatest: newest })]);
    expect(conflict).toEqual({ kind: 'conflict', latest: second });
    const [appended] = await log.append([record('orders.2', { ifLatest: second })]);
    expect(appended?.kind).toBe('appended');
  });

  test('retention after an erasure does not take the loss back', async () => {
    const { log, positions } = await filled();
    const [first = 0, , middle = 0, , last = 0] = positions;
    await log.erasing.erase({ positions: [middle], channels: [] });
    await trimAll(log, [{ channel: 'orders.1', countMax: 1 }], NOW_MS);
    expect(await lossOf(log, ['orders.1'], first)).toEqual([middle, middle]);
    await trimAll(log, [{ channel: 'orders.1', countMax: 0 }], NOW_MS);
    expect(await lossOf(log, ['orders.1'], first)).toEqual([last, middle]);
  });

  test('a channel without events loses its name, and its readers still learn of the erasure', async () => {
    const { log, positions } = await filled();
    const [, second = 0, , , , newest = 0] = positions;
    await log.erasing.erase({ positions: [second, newest], channels: ['orders.2', 'news', 'unknown'] });
    const names = (await log.channels({ after: '', limit: 10 })).map(({ channel }) => channel);
    expect(names).toEqual(['news', 'orders.1']);
    expect(await lossOf(log, ['orders.2'], 0)).toEqual([newest, newest]);
    expect(await lossOf(log, ['orders.>'], 0)).toEqual([newest, newest]);
    expect(await lossOf(log, ['news'], 0)).toEqual([0, 0]);
    const [again] = await log.append([record('orders.2')]);
    expect(await channelsRead(log, ['orders.2'])).toEqual(['orders.2']);
    expect(await lossOf(log, ['orders.2'], 0)).toEqual([newest, newest]);
    expect(await lossOf(log, ['orders.2'], newest)).toEqual([newest, newest]);
    expect(positionOf(again ?? { kind: 'channel_limit' })).toBeGreaterThan(newest);
  });

  test('the value of a `latest` channel goes, and a new value takes its place', async () => {
    const log = await openLog({});
    const [stored] = await log.append([record('door', { retain: 'latest' })]);
    const position = positionOf(stored ?? { kind: 'channel_limit' });
    await log.erasing.erase({ positions: [position], channels: [] });
    expect(await channelsRead(log, ['door'])).toEqual([]);
    expect(await lossOf(log, ['door'], 0)).toEqual([position, position]);
    await log.append([record('door', { retain: 'latest' })]);
    await log.append([record('door', { retain: 'latest' })]);
    expect(await channelsRead(log, ['door'])).toEqual(['door']);
  });

  test('an idempotency key stays valid, so a repeated request does not publish again', async () => {
    const log = await openLog({});
    const keyed = record('orders.1', { idempotencyKey: 'k', fingerprint: 'f' });
    const [first] = await log.append([keyed]);
    const position = positionOf(first ?? { kind: 'channel_limit' });
    await log.erasing.erase({ positions: [position], channels: ['orders.1'] });
    expect(await log.append([keyed])).toEqual([{ kind: 'duplicate', position, channel: 'orders.1', timeMs: START_MS }]);
    expect((await log.append([{ ...keyed, fingerprint: 'g' }]))[0]?.kind).toBe('key_reused');
  });

  test('the overwriting ends', async () => {
    const { log, positions } = await filled();
    await log.erasing.erase({ positions, channels: [] });
    await expect.poll(() => log.erasing.overwrite(), { interval: 1 }).toBe('done');
    expect(await channelsRead(log, ['>'])).toEqual([]);
    await log.append([record('news')]);
    expect(await channelsRead(log, ['>'])).toEqual(['news']);
  });

  test('a closed log refuses', async () => {
    const { log } = await filled();
    await log.close();
    await expect(log.erasing.erase({ positions: [1], channels: [] })).rejects.toMatchObject({
      code: 'log_unavailable',
    });
  });
}
