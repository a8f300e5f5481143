import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ANONYMOUS, type Principal, type Revocation } from '../core/access/principal.ts';
import { systemWorld } from '../operate/world.ts';
import { disconnectRevoked } from './disconnect-revoked.ts';
import { Sessions, type RevokedReason, type Session } from './sessions.ts';

class TestSession implements Session {
  readonly transport: Session['transport'];
  readonly isMomentary: boolean;
  readonly id: string;
  principal: Principal;
  channels: readonly string[] = [];
  readonly position = 0;
  readonly sinceMs = 0;
  readonly address = '';
  registryIndex = -1;
  readonly revokedReasons: RevokedReason[] = [];

  constructor(id: string, principal: Principal, transport: Session['transport'] = 'sse') {
    this.id = id;
    this.principal = principal;
    this.transport = transport;
    this.isMomentary = transport === 'short-poll';
  }

  drain(): void {}

  disconnect(code: RevokedReason): void {
    this.revokedReasons.push(code);
  }

  destroy(): void {}
}

const name = fc.constantFrom('a', 'b', 'c');
const optional = fc.option(name, { nil: undefined });
const principal = fc.record({
  kind: fc.constantFrom('anonymous', 'user', 'server'),
  user: optional,
  key: optional,
  token: optional,
  issuedMs: fc.nat(3),
});
const revocation = fc.record({
  user: optional,
  key: optional,
  token: optional,
  session: optional,
  issuedBeforeMs: fc.nat(4),
});

type Described = typeof principal extends fc.Arbitrary<infer Value> ? Value : never;

function principalOf({ kind, user, key, token, issuedMs }: Described): Principal {
  if (kind === 'anonymous') return ANONYMOUS;
  return { ...ANONYMOUS, kind, ...(kind === 'user' ? { user: user ?? 'a' } : {}), key, token, issuedMs };
}

test('the sessions of each user are known, after any order of changes', () => {
  const step = fc.record({ what: fc.constantFrom('open', 'close', 'assume'), which: fc.nat(5), principal });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), revocation, (steps, given) => {
      const sessions = new Sessions(systemWorld.random);
      const live: TestSession[] = [];
      for (const { what, which, principal: described } of steps) {
        const session = live[which % Math.max(1, live.length)];
        if (what === 'open') {
          const opened = new TestSession('abc'.charAt(which % 3), principalOf(described));
          sessions.add(opened);
          live.push(opened);
        } else if (session !== undefined && what === 'close') {
          sessions.remove(session);
          sessions.remove(session);
          live.splice(live.indexOf(session), 1);
        } else if (session !== undefined) {
          const before = { principal: session.principal, channels: [] };
          session.principal = principalOf(described);
          sessions.changed(session, before);
        }
      }
      for (const user of ['a', 'b', 'c']) {
        const expected = live.filter((session) => session.principal.user === user);
        expect(new Set(sessions.ofUser(user))).toEqual(new Set(expected));
        expect(sessions.countOfUser(user)).toBe(expected.length);
      }
      const names = ['user', 'key', 'token'] as const;
      const isNamed = names.some((each) => given[each] !== undefined) || given.session !== undefined;
      const expected = live.filter(
        (session) =>
          isNamed &&
          names.every((each) => given[each] === undefined || session.principal[each] === given[each]) &&
          (given.session === undefined || session.id === given.session) &&
          session.principal.issuedMs < given.issuedBeforeMs,
      );
      expect(new Set(sessions.matching(given as Revocation))).toEqual(new Set(expected));
    }),
  );
});

describe('a listener', () => {
  test('is notified of streams and waiting polls, of changes, and of users who poll', () => {
    const sessions = new Sessions(systemWorld.random);
    const received: string[] = [];
    sessions.listen({
      opened: ({ id }) => received.push(`opened ${id}`),
      closed: ({ id, channels }) => received.push(`closed ${id} ${channels.join()}`),
      changed: ({ id, channels }, before) =>
        received.push(`changed ${id} ${before.channels.join()} to ${channels.join()}`),
      polled: ({ user }, channels) => received.push(`polled ${user} ${channels.join()}`),
    });
    const ann: Principal = { ...ANONYMOUS, kind: 'user', user: 'ann' };
    const session = new TestSession('1', ann);
    session.channels = ['a'];
    const poll = new TestSession('2', ann, 'short-poll');
    sessions.add(session);
    sessions.add(poll);
    session.channels = ['a', 'b'];
    sessions.changed(session, { principal: ann, channels: ['a'] });
    sessions.remove(poll);
    sessions.polled(ann, ['c']);
    sessions.polled(ANONYMOUS, ['c']);
    sessions.remove(session);
    sessions.changed(session, { principal: ann, channels: [] });
    expect(received).toEqual(['opened 1', 'changed 1 a to a,b', 'polled ann c', 'closed 1 a,b']);
  });
});

test('many sessions are ended in parts, without those that have closed meanwhile', async () => {
  const sessions = new Sessions(systemWorld.random);
  const key: Principal = { ...ANONYMOUS, kind: 'server', key: 'k' };
  const all = Array.from({ length: 1000 }, (_each, index) => new TestSession(String(index), key));
  for (const session of all) sessions.add(session);
  expect(disconnectRevoked(sessions, { key: 'k', issuedBeforeMs: Infinity })).toBe(1000);
  const ended = all.filter(({ revokedReasons }) => revokedReasons.length > 0).length;
  expect(ended).toBeGreaterThan(0);
  expect(ended).toBeLessThan(1000);
  const last = all.at(-1) as TestSession;
  sessions.remove(last);
  await expect.poll(() => all.filter(({ revokedReasons }) => revokedReasons.length > 0).length).toBe(999);
  expect(last.revokedReasons).toEqual([]);
});
