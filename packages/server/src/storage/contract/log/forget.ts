import { expect, test } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { FORGOTTEN_CHANNELS_MAX } from '../../shared/log-limits.ts';
import { queryAll, channelsRead, HOUR_MS, kinds, record, START_MS, trimAll } from './log-fixtures.ts';
import type { OpenLog } from './log-fixtures.ts';

const MINUTE_MS = HOUR_MS / 60;
/** A time at which a channel with its last event at START_MS is certainly forgotten. */
const LATER_MS = START_MS + HOUR_MS + MINUTE_MS;

export function forgetTests(openLog: OpenLog): void {
  const empty = (log: Log, channels: readonly string[], nowMs: number): Promise<number> =>
    trimAll(
      log,
      channels.map((channel) => ({ channel, countMax: 0 })),
      nowMs,
    );
  const names = async (log: Log): Promise<string[]> =>
    (await log.channels({ after: '', limit: 100_000 })).map(({ channel }) => channel);
  const lostThrough = async (log: Log, pattern: string, after = 0): Promise<number> =>
    (await log.read({ ...queryAll(log, [pattern]), after })).trimmedThrough;

  test('a channel is forgotten an hour after its last event, once it is empty, and makes room', async () => {
    const log = await openLog({ channelsMax: 2 });
    await log.append([record('a.1'), record('a.2')]);
    await empty(log, ['a.1'], START_MS + HOUR_MS - 1);
    expect(await names(log)).toEqual(['a.1', 'a.2']);
    expect(kinds(await log.append([record('b')]))).toEqual(['channel_limit']);
    await trimAll(log, [], LATER_MS);
    expect(await names(log)).toEqual(['a.2']);
    expect(kinds(await log.append([record('b')]))).toEqual(['appended']);
    await empty(log, ['a.2'], LATER_MS);
    expect(await names(log)).toEqual(['b']);
  });

  test('a channel with a new event is kept, and its hour begins again', async () => {
    const log = await openLog({});
    await log.append([record('a'), record('b')]);
    await empty(log, ['a', 'b'], START_MS);
    await log.append([record('a', { timeMs: START_MS + 10 * MINUTE_MS })]);
    await trimAll(log, [], LATER_MS);
    expect(await names(log)).toEqual(['a']);
    await empty(log, ['a'], LATER_MS);
    expect(await names(log)).toEqual(['a']);
    await trimAll(log, [], LATER_MS + 10 * MINUTE_MS);
    expect(await names(log)).toEqual([]);
  });

  test('its losses are known to its prefix, and to readers of all prefixes', async () => {
    const log = await openLog({});
    await log.append([record('once.1'), record('other.1'), record('once.kept'), record('other.2'), record('once')]);
    await empty(log, ['once.1'], LATER_MS);
    for (const pattern of ['once.1', 'once.unknown', 'once.*', 'once.1.>', '>', '*', '*.1'])
      expect([pattern, await lostThrough(log, pattern)]).toEqual([pattern, 1]);
    for (const pattern of ['once.kept', 'once', 'other.1', 'other.*', 'other.unknown', 'unknown', 'oncemore.>'])
      expect([pattern, await lostThrough(log, pattern)]).toEqual([pattern, 0]);
    expect(await lostThrough(log, 'once.*', 1)).toBe(1);
    await empty(log, ['other.2'], LATER_MS);
    expect(
      await Promise.all(['once.*', 'other.*', '>', 'unknown.>'].map((pattern) => lostThrough(log, pattern))),
    ).toEqual([1, 4, 4, 0]);
    // A new channel may be one that was forgotten.
    await log.append([record('once.1'), record('other.new'), record('third.1')]);
    expect(
      await Promise.all(['once.1', 'other.new', 'third.1'].map((pattern) => lostThrough(log, pattern, 0))),
    ).toEqual([1, 4, 0]);
  });

  test('a forgotten name may be used again, as a new channel', async () => {
    const log = await openLog({});
    for (let turn = 0; turn < 3; turn++) {
      await log.append([record('a.1'), record('a.kept')]);
      expect(await channelsRead(log, ['a.1'])).toEqual(['a.1']);
      expect((await channelsRead(log, ['a.*'])).filter((channel) => channel === 'a.1')).toEqual(['a.1']);
      const { head } = log.state;
      await empty(log, ['a.1'], LATER_MS);
      // A reader reads only now and then. Changes that it did not see in between must not matter.
      if (turn === 1) continue;
      expect(await channelsRead(log, ['a.1'])).toEqual([]);
      expect([await lostThrough(log, 'a.1'), await lostThrough(log, 'a.>')]).toEqual([head - 1, head - 1]);
    }
  });

  test('many are forgotten in bounded steps', async () => {
    const log = await openLog({});
    const channels = Array.from({ length: 3 * FORGOTTEN_CHANNELS_MAX }, (_, index) => `c.${index}`);
    await log.append([...channels, 'kept'].map((channel) => record(channel)));
    await empty(log, channels, START_MS);
    expect(await log.trim([], LATER_MS)).toEqual({ removed: 0, more: true });
    expect((await names(log)).length).toBeGreaterThan(FORGOTTEN_CHANNELS_MAX);
    await trimAll(log, [], LATER_MS);
    expect(await names(log)).toEqual(['kept']);
    expect(await log.trim([], LATER_MS)).toEqual({ removed: 0, more: false });
  });

  test('beyond the limit of prefixes, those that lost the oldest events are merged', async () => {
    const log = await openLog({});
    const channels = Array.from({ length: 11_000 }, (_, index) => `f${index}.x`);
    await log.append([...channels, 'kept.x'].map((channel) => record(channel)));
    await empty(log, channels, LATER_MS);
    const newest = await lostThrough(log, `f${channels.length - 1}.*`);
    const rest = await lostThrough(log, 'unknown');
    expect(newest).toBe(channels.length);
    expect(rest).toBeGreaterThanOrEqual(1_000);
    expect(rest).toBeLessThan(3_000);
    expect([
      await lostThrough(log, 'f0.x'),
      await lostThrough(log, 'f5000.x'),
      await lostThrough(log, 'kept.x'),
    ]).toEqual([rest, 5_001, 0]);
    expect(await lostThrough(log, '>')).toBe(newest);
  });
}
