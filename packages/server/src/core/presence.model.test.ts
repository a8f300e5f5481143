import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Presence, type PresenceSettings } from './presence.ts';
import type { PresenceChange } from './presence-events.ts';
import { Onlooker, Telling } from './testing/presence-onlooker.ts';

const SETTINGS: PresenceSettings = { graceMs: 100, pollGraceMs: 300, listedMax: 2, systemEvents: true };
const CHANNELS = ['a', 'b'];
const USERS = ['ann', 'bob', 'cyd', undefined];

type Step =
  | { readonly do: 'open'; readonly channel: number; readonly user: number; readonly info: number }
  | { readonly do: 'close'; readonly session: number }
  | { readonly do: 'poll'; readonly channel: number; readonly user: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'take'; readonly countMax: number }
  | { readonly do: 'look' }
  | { readonly do: 'restart' };

/** Mostly the first, so that much happens in one place. */
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

interface OpenSession {
  readonly channel: string;
  readonly user: string | undefined;
}

/** What is really so, and everybody who has been told of it. */
class World {
  presence = new Presence(SETTINGS);
  telling = new Telling();
  nowMs = 0;
  sessions: OpenSession[] = [];
  readonly onlookers: { readonly channel: string; readonly onlooker: Onlooker }[] = [];
  /** When a user was last there, by channel and user; of those who are there it is now. */
  readonly lastThereMs = new Map<string, number>();

  run(step: Step): void {
    switch (step.do) {
      case 'open':
        return this.#open(CHANNELS[step.channel] as string, USERS[step.user], step.info === 0 ? undefined : step.info);
      case 'close':
        return this.#close(step.session);
      case 'poll':
        return this.#poll(CHANNELS[step.channel] as string, USERS[step.user] as string);
      case 'wait':
        this.nowMs += step.ms;
        this.presence.advance(this.nowMs);
        return;
      case 'take':
        return this.take(step.countMax);
      case 'look':
        for (const channel of CHANNELS)
          this.onlookers.push({ channel, onlooker: new Onlooker(this.presence.snapshot(channel)) });
        return;
      case 'restart':
        return this.#restart();
    }
  }

  take(countMax: number): void {
    for (const change of this.presence.take(countMax, this.nowMs, this.nowMs)) {
      this.#check(change);
      this.telling.hear(change);
      for (const { channel, onlooker } of this.onlookers)
        if ('channel' in change && change.channel === channel) onlooker.hear(change);
    }
    // Whoever has looked at any time and heard what came then knows what is told now.
    for (const { channel, onlooker } of this.onlookers)
      expect(normal(onlooker.snapshot)).toEqual(normal(this.presence.snapshot(channel)));
  }

  /** Time passes until nothing is left to be told. */
  settle(): void {
    for (let round = 0; this.presence.isReady || this.presence.nextMs < Infinity; round++) {
      expect(round).toBeLessThan(1000);
      if (!this.presence.isReady) this.nowMs = Math.max(this.nowMs, this.presence.nextMs);
      this.presence.advance(this.nowMs);
      this.take(100);
    }
  }

  #open(channel: string, user: string | undefined, info: unknown): void {
    this.sessions.push({ channel, user });
    this.presence.enter(channel, user, user === undefined ? undefined : info, this.nowMs);
    if (user !== undefined) this.presence.connect(user, this.nowMs);
  }

  #close(index: number): void {
    const [session] = this.sessions.splice(index % Math.max(1, this.sessions.length), 1);
    if (session === undefined) return;
    const { channel, user } = session;
    this.presence.leave(channel, user, this.nowMs);
    if (user !== undefined) this.presence.disconnect(user, this.nowMs);
    this.lastThereMs.set(`${channel} ${user}`, this.nowMs);
  }

  #poll(channel: string, user: string): void {
    this.presence.poll(channel, user, undefined, this.nowMs);
    this.presence.pollAnything(user, this.nowMs);
    this.lastThereMs.set(`${channel} ${user}`, this.nowMs);
  }

  /** The hub is killed: what was told is all that is known, and all have to come back. */
  #restart(): void {
    this.presence = new Presence(SETTINGS);
    this.presence.restore(this.telling.memory, this.nowMs);
    for (const { channel, user } of this.sessions) this.lastThereMs.set(`${channel} ${user}`, this.nowMs);
    this.sessions = [];
  }

  #check(change: PresenceChange): void {
    if (change.kind === 'leave') {
      const { channel, user } = change;
      expect(this.sessions.some((session) => session.channel === channel && session.user === user)).toBe(false);
      expect(this.nowMs - (this.lastThereMs.get(`${channel} ${user}`) ?? -Infinity)).toBeGreaterThanOrEqual(100);
      expect(this.telling.channel(channel).members.has(user)).toBe(true);
    }
    if (change.kind === 'join') expect(this.telling.channel(change.channel).members.has(change.user)).toBe(false);
    if (change.kind === 'update') expect(this.telling.channel(change.channel).members.has(change.user)).toBe(true);
    if (change.kind === 'online') expect(this.telling.online.has(change.user)).toBe(false);
    if (change.kind === 'offline') expect(this.telling.online.has(change.user)).toBe(true);
    if (change.kind === 'occupied') expect(this.telling.occupied.has(change.channel)).toBe(false);
    if (change.kind === 'vacated') expect(this.telling.occupied.has(change.channel)).toBe(true);
    if (change.kind === 'online' || change.kind === 'offline')
      expect(change.sequence).toBe(this.telling.usersSequence + 1);
    if (change.kind === 'occupied' || change.kind === 'vacated')
      expect(change.sequence).toBe(this.telling.channelsSequence + 1);
  }
}

test('in any order of opening, closing, polling and restarting, what is told adds up to what is so', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const world = new World();
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
        expect(world.telling.occupied.has(channel)).toBe(here.length > 0);
      }
      expect(world.telling.online).toEqual(new Set(world.sessions.flatMap(({ user }) => user ?? [])));
    }),
    { numRuns: 2000 },
  );
});

function countByUser(sessions: readonly OpenSession[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { user } of sessions) if (user !== undefined) counts.set(user, (counts.get(user) ?? 0) + 1);
  return counts;
}

/** Members in the order of their names. */
function normal({ members, ...counts }: ReturnType<Presence['snapshot']>): object {
  return { ...counts, members: members.toSorted((one, other) => (one.user < other.user ? -1 : 1)) };
}
