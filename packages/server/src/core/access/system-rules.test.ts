import { expect, test } from 'vitest';
import { ChannelRules, type ChannelSettings } from './channel-rules.ts';
import { withSystemRules } from './system-rules.ts';

const DEFAULTS: ChannelSettings = {
  retain: 'latest',
  historyCountMax: 5,
  historyAgeMaxMs: 5,
  historyBytesMax: 5,
  eventBytesMax: 64,
  publishRatePerSecond: 1,
  publishBurst: 1,
  userPublishRatePerSecond: 1,
  userPublishBurst: 1,
};

test("the hub's own events are kept for an hour, whatever the defaults are", () => {
  const rules = new ChannelRules(
    withSystemRules([{ pattern: '>', retain: 'none', publishRatePerSecond: 2 }]),
    DEFAULTS,
  );
  for (const channel of ['polycast.presence.room.1', 'polycast.users.online', 'polycast.channels.vacated'])
    expect(rules.settingsFor(channel)).toMatchObject({
      retain: 'history',
      historyAgeMaxMs: 3_600_000,
      publishRatePerSecond: undefined,
      eventBytesMax: 65_536,
    });
  expect(rules.settingsFor('polycast.subscriptions.sub_1')).toMatchObject({
    retain: 'history',
    historyAgeMaxMs: 604_800_000,
  });
  expect(rules.settingsFor('polycast.private.ann').retain).toBe('none');
  expect(rules.settingsFor('room.1')).toMatchObject({ retain: 'none', publishRatePerSecond: 2 });
});

test('a rule for them has precedence, at any place in the list', () => {
  const rules = new ChannelRules(
    withSystemRules([
      { pattern: '>', historyAgeMaxMs: 1 },
      { pattern: 'polycast.presence.>', historyAgeMaxMs: 60_000 },
    ]),
    DEFAULTS,
  );
  expect(rules.settingsFor('polycast.presence.room.1')).toMatchObject({ historyAgeMaxMs: 60_000, retain: 'history' });
});
