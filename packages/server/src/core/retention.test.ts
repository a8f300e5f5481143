import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import type { ChannelState, TrimOrder } from './ports.ts';
import { trimOrders } from './retention.ts';
import { ChannelRules, type ChannelSettings } from './access/channel-rules.ts';
import { event } from './testing/feed-world.ts';

const NOW_MS = 1_800_000_100_000;
const DEFAULTS: ChannelSettings = {
  retain: 'history',
  historyCountMax: undefined,
  historyAgeMaxMs: undefined,
  historyBytesMax: undefined,
  eventBytesMax: 1000,
  publishRatePerSecond: undefined,
  publishBurst: 1,
  userPublishRatePerSecond: undefined,
  userPublishBurst: 1,
};

function orders(settings: Partial<ChannelSettings>, state: Partial<ChannelState>): readonly TrimOrder[] {
  const whole = { channel: 'a', count: 10, bytes: 100, oldestTimeMs: NOW_MS - 1000, latestPosition: 10, ...state };
  return trimOrders([whole], new ChannelRules([], { ...DEFAULTS, ...settings }), NOW_MS);
}

test('a channel within its limits, or without any, is not trimmed', () => {
  expect(orders({}, {})).toEqual([]);
  expect(orders({ historyCountMax: 10, historyBytesMax: 100, historyAgeMaxMs: 1000 }, {})).toEqual([]);
  expect(orders({ historyCountMax: 0, historyBytesMax: 0, historyAgeMaxMs: 0 }, { count: 0 })).toEqual([]);
});

test('a trim names the limits that are exceeded, and no others', () => {
  expect(orders({ historyCountMax: 9, historyBytesMax: 100 }, {})).toEqual([{ channel: 'a', countMax: 9 }]);
  expect(orders({ historyCountMax: 10, historyBytesMax: 99 }, {})).toEqual([{ channel: 'a', bytesMax: 99 }]);
  expect(orders({ historyAgeMaxMs: 999, historyBytesMax: 5 }, {})).toEqual([
    { channel: 'a', bytesMax: 5, olderThanMs: NOW_MS - 999 },
  ]);
});

test('a `latest` channel keeps its event at any age, and a channel that became ephemeral keeps nothing', () => {
  expect(orders({ retain: 'latest', historyAgeMaxMs: 1, historyCountMax: 0 }, { count: 1 })).toEqual([]);
  expect(orders({ retain: 'latest' }, { count: 2 })).toEqual([{ channel: 'a', countMax: 1 }]);
  expect(orders({ retain: 'none' }, { count: 1 })).toEqual([{ channel: 'a', countMax: 0 }]);
});

test('after the trims all limits are met, and nothing more was removed', async () => {
  const bound = fc.option(fc.nat(12), { nil: undefined });
  const aged = fc.array(fc.nat(12), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(aged, bound, bound, bound, async (ages, historyCountMax, historyBytesMax, historyAgeMaxMs) => {
      const log = createMemoryLog();
      const settings = { ...DEFAULTS, historyCountMax, historyBytesMax, historyAgeMaxMs };
      const rules = new ChannelRules([], settings);
      const times = ages.toSorted((one, other) => other - one).map((age) => NOW_MS - age);
      await log.append(times.map((timeMs) => ({ ...event('a', undefined, 2), timeMs })));
      await log.trim(trimOrders(await log.channels({ after: '', limit: 10 }), rules, NOW_MS), NOW_MS);
      const kept = times.filter((timeMs, index) => {
        const from = times.length - index;
        const isYoung = historyAgeMaxMs === undefined || timeMs >= NOW_MS - historyAgeMaxMs;
        return isYoung && from <= (historyCountMax ?? Infinity) && from * 2 <= (historyBytesMax ?? Infinity);
      });
      const states = await log.channels({ after: '', limit: 10 });
      expect(states[0]?.count).toBe(kept.length);
      expect(trimOrders(states, rules, NOW_MS)).toEqual([]);
    }),
  );
});
