import { describe, expect, test } from 'vitest';
import type { ChannelState } from '../ports.ts';
import { trimOrders } from '../retention.ts';
import { ChannelRules, type ChannelSettings } from './channel-rules.ts';

const DEFAULTS: ChannelSettings = {
  retain: 'history',
  historyCountMax: 100,
  historyAgeMaxMs: 1000,
  historyBytesMax: undefined,
  eventBytesMax: 1000,
  publishRatePerSecond: undefined,
  publishBurst: 1,
  userPublishRatePerSecond: undefined,
  userPublishBurst: 1,
};

describe('the settings of a channel', () => {
  const rules = new ChannelRules(
    [
      { pattern: 'a.b', eventBytesMax: 1 },
      { pattern: 'a.*', eventBytesMax: 2, retain: 'latest' },
      { pattern: 'a.>', retain: 'none', historyCountMax: undefined },
    ],
    DEFAULTS,
  );

  test.each([
    ['a.b', { eventBytesMax: 1, retain: 'latest', historyCountMax: undefined }],
    ['a.c', { eventBytesMax: 2, retain: 'latest', historyCountMax: undefined }],
    ['a.c.d', { eventBytesMax: 1000, retain: 'none', historyCountMax: undefined }],
    ['a', { eventBytesMax: 1000, retain: 'history', historyCountMax: 100 }],
  ])('for %s come from the first rule that covers it and sets them: %o', (channel, settings) => {
    for (let again = 0; again < 2; again++) expect(rules.settingsFor(channel)).toMatchObject(settings);
    expect(rules.settingsFor(channel)).not.toHaveProperty('pattern');
  });

  test('are the defaults when there are no rules, and the cache of them is bounded', () => {
    expect(new ChannelRules([], DEFAULTS).settingsFor('x')).toBe(DEFAULTS);
    for (let number = 0; number < 50_000; number++) rules.settingsFor(`a.${number}`);
    expect(rules.settingsFor('a.b').eventBytesMax).toBe(1);
  });
});

describe('retention', () => {
  const state = (over: Partial<ChannelState>): ChannelState => ({
    channel: 'c',
    count: 10,
    bytes: 500,
    oldestTimeMs: 9500,
    latestPosition: 9,
    ...over,
  });
  const orders = (settings: Partial<ChannelSettings>, over: Partial<ChannelState> = {}): object =>
    trimOrders([state(over)], new ChannelRules([], { ...DEFAULTS, ...settings }), 10_000);

  test.each([
    ['nothing within the limits', {}, {}, []],
    ['nothing of an empty channel', { retain: 'none' as const }, { count: 0 }, []],
    ['too many', { historyCountMax: 9 }, {}, [{ channel: 'c', countMax: 9 }]],
    ['too large', { historyBytesMax: 499 }, {}, [{ channel: 'c', bytesMax: 499 }]],
    ['too old', {}, { oldestTimeMs: 8999 }, [{ channel: 'c', olderThanMs: 9000 }]],
    [
      'several reasons together',
      { historyCountMax: 1, historyBytesMax: 1 },
      { oldestTimeMs: 1 },
      [{ channel: 'c', countMax: 1, bytesMax: 1, olderThanMs: 9000 }],
    ],
    ['nothing without bounds', { historyCountMax: undefined, historyAgeMaxMs: undefined }, { oldestTimeMs: 1 }, []],
    [
      'all but the newest event of a latest channel, of any age',
      { retain: 'latest' as const },
      { oldestTimeMs: 1 },
      [{ channel: 'c', countMax: 1 }],
    ],
    [
      'nothing of a latest channel with its one event',
      { retain: 'latest' as const },
      { count: 1, oldestTimeMs: 1 },
      [],
    ],
    ['all events of a channel that became ephemeral', { retain: 'none' as const }, {}, [{ channel: 'c', countMax: 0 }]],
  ])('%s', (_what, settings, over, expected) => expect(orders(settings, over)).toEqual(expected));
});
