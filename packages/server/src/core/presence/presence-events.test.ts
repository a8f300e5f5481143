import fc from 'fast-check';
import { formatTime } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { parsePresenceChange, presenceEvent, type PresenceChange } from './presence-events.ts';

const count = fc.nat();
const channel = fc.constantFrom('a', 'room.1', 'polycast-x.y');
const user = fc.string({ minLength: 1 });
const sinceMs = fc.integer({ min: 0, max: Date.UTC(2100, 0) });
const info = fc.option(fc.jsonValue(), { nil: undefined }).filter((value) => !JSON.stringify(value)?.includes('-0'));

const change: fc.Arbitrary<PresenceChange> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('join' as const, 'update' as const),
    channel,
    user,
    info,
    sessions: count,
    sinceMs,
  }),
  fc.record({ kind: fc.constant('leave' as const), channel, user }),
  fc.record({ kind: fc.constant('count' as const), channel, users: count, anonymous: count, isListed: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('online' as const, 'offline' as const), user, sequence: count }),
  fc.record({ kind: fc.constantFrom('occupied' as const, 'vacated' as const), channel, sequence: count }),
);

test('a change is parsed from its event unchanged', () => {
  fc.assert(
    fc.property(change, (given) => {
      const event = presenceEvent(given, formatTime);
      const data: unknown = JSON.parse(JSON.stringify(event.data));
      expect(parsePresenceChange({ ...event, data }, Date.parse)).toEqual(JSON.parse(JSON.stringify(given)));
    }),
  );
});

test('events of other forms are not parsed as changes, and throw no error', () => {
  const channelName = fc.constantFrom('polycast.presence.a', 'polycast.users.online', 'polycast.channels.vacated');
  const type = fc.constantFrom(
    'polycast.join',
    'polycast.leave',
    'polycast.count',
    'polycast.online',
    'polycast.vacated',
    'x',
  );
  fc.assert(
    fc.property(channelName, type, fc.jsonValue(), (on, as, data) => {
      expect(parsePresenceChange({ channel: on, type: as, data }, Date.parse)).toBeUndefined();
    }),
  );
});
