import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CHANNELS, PresenceWorld, USERS, type OpenSession, type Step } from './testing/presence-world.ts';

/** Mostly the first channel, so that many steps meet in one channel. */
const CHANNEL = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      channel: CHANNEL,
      user: fc.nat(USERS.length - 1),
      info: fc.nat(2),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('close' as const), session: fc.nat(1000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('poll' as const),
      channel: CHANNEL,
      user: fc.nat(USERS.length - 2),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(150) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('take' as const), countMax: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('look' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

test('in any order of opening, closing, polling and restarting, published changes add up to the state', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const world = new PresenceWorld();
      for (const each of steps) world.run(each);
      world.settle();
      for (const channel of CHANNELS) {
        const here = world.sessions.filter((session) => session.channel === channel);
        const users = new Set(here.flatMap(({ user }) => user ?? []));
        const snapshot = world.presence.snapshot(channel);
        expect(snapshot.users).toBe(users.size);
        expect(snapshot.anonymous).toBe(here.filter(({ user }) => user === undefined).length);
        expect(snapshot.isListed ? users.size <= 2 : users.size >= 2).toBe(true);
        if (snapshot.isListed)
          expect(new Map(snapshot.members.map(({ user, sessions }) => [user, sessions]))).toEqual(countByUser(here));
        expect(world.published.occupied.has(channel)).toBe(here.length > 0);
      }
      expect(world.published.online).toEqual(new Set(world.sessions.flatMap(({ user }) => user ?? [])));
    }),
    { numRuns: 2000 },
  );
});

function countByUser(sessions: readonly OpenSession[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { user } of sessions) if (user !== undefined) counts.set(user, (counts.get(user) ?? 0) + 1);
  return counts;
}
