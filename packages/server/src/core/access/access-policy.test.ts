import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AccessPolicy } from './access-policy.ts';
import { relationOf } from './pattern-relation.ts';
import { ANONYMOUS, type Action, type Principal } from './principal.ts';
import { isUser, ownerOf, privateChannel, userOfToken, userToken } from './private-channel.ts';

const RULES = new AccessPolicy(
  [
    { pattern: 'news.>', subscribe: ['anyone'] },
    { pattern: 'inbox.{user}.>', subscribe: ['owner'], publish: ['users'] },
    {
      pattern: 'staff.>',
      subscribe: [
        { claim: 'role', value: 'editor' },
        { claim: 'groups', value: 'staff' },
      ],
    },
    { pattern: 'orders.*', subscribe: ['site'], history: ['server'], presence: ['users'] },
    { pattern: 'chat.closed', publish: ['server'] },
    { pattern: 'chat.>', subscribe: ['users'], publish: ['users'] },
    { pattern: 'polycast.users.>', subscribe: [{ claim: 'role', value: 'editor' }] },
  ],
  {},
);

const user = (name: string, claims: Principal['claims'] = {}): Principal => ({
  ...ANONYMOUS,
  kind: 'user',
  user: name,
  claims,
});
const server = (grants: Principal['grants']): Principal => ({ ...ANONYMOUS, kind: 'server', key: 'k', grants });
const EDITOR = user('1', { role: 'editor' });

describe('access decisions', () => {
  test.each<[Principal, Action, string, 'yes' | 'no' | 'ask']>([
    [ANONYMOUS, 'subscribe', 'news.today', 'yes'],
    [ANONYMOUS, 'subscribe', 'news.>', 'yes'],
    [ANONYMOUS, 'history', 'news.today', 'yes'],
    [ANONYMOUS, 'presence', 'news.today', 'no'],
    [ANONYMOUS, 'publish', 'news.today', 'no'],
    [ANONYMOUS, 'subscribe', '>', 'no'],
    [ANONYMOUS, 'subscribe', '*.today', 'no'],
    [ANONYMOUS, 'subscribe', 'chat.a', 'no'],
    [user('42'), 'subscribe', 'chat.a', 'yes'],
    [user('42'), 'publish', 'chat.a', 'yes'],
    [user('42'), 'publish', 'chat.closed', 'no'],
    [user('42'), 'subscribe', 'inbox.42.mail', 'yes'],
    [user('42'), 'subscribe', 'inbox.42.>', 'yes'],
    [user('42'), 'subscribe', 'inbox.43.mail', 'no'],
    [user('42'), 'subscribe', 'inbox.*.mail', 'no'],
    [user('42'), 'subscribe', 'inbox.>', 'no'],
    [user('42'), 'subscribe', 'staff.a', 'no'],
    [EDITOR, 'subscribe', 'staff.a', 'yes'],
    [user('1', { groups: ['a', 'staff'] }), 'subscribe', 'staff.a', 'yes'],
    [user('42'), 'subscribe', 'orders.7', 'ask'],
    [user('42'), 'history', 'orders.7', 'no'],
    [user('42'), 'presence', 'orders.7', 'yes'],
    [user('42'), 'subscribe', 'polycast.presence.orders.7', 'yes'],
    [ANONYMOUS, 'subscribe', 'polycast.presence.orders.7', 'no'],
    [user('42'), 'subscribe', privateChannel('42'), 'yes'],
    [user('42'), 'history', privateChannel('42'), 'yes'],
    [user('42'), 'publish', privateChannel('42'), 'no'],
    [user('42'), 'subscribe', privateChannel('43'), 'no'],
    [user('42'), 'subscribe', 'polycast.private.*', 'no'],
    [user('42'), 'subscribe', 'polycast.users.online', 'no'],
    [EDITOR, 'subscribe', 'polycast.users.online', 'yes'],
    [EDITOR, 'publish', 'polycast.users.online', 'no'],
    [server({ subscribe: ['>'] }), 'subscribe', 'polycast.users.online', 'yes'],
    [server({ publish: ['>'] }), 'publish', 'polycast.users.online', 'no'],
    [server({ publish: ['>'] }), 'publish', privateChannel('42'), 'yes'],
    [server({ publish: ['orders.>'] }), 'publish', 'orders.7', 'yes'],
    [server({ publish: ['orders.>'] }), 'publish', 'news.a', 'no'],
    [server({ publish: ['>'] }), 'subscribe', 'orders.7', 'no'],
    [server({ subscribe: ['orders.*'] }), 'subscribe', 'orders.>', 'no'],
    [{ ...user('42'), grants: { subscribe: ['elsewhere.7'] } }, 'subscribe', 'elsewhere.7', 'yes'],
    [{ ...user('42'), grants: { subscribe: ['>'] } }, 'subscribe', 'elsewhere.>', 'yes'],
    [{ ...user('42'), grants: { subscribe: ['>'] } }, 'subscribe', 'polycast.private.43', 'no'],
    [{ ...user('42'), grants: { subscribe: ['>'], publish: ['>'] } }, 'publish', 'polycast.private.43', 'no'],
    [{ ...user('42'), grants: { subscribe: ['*.*.43'] } }, 'subscribe', 'polycast.private.43', 'no'],
    [{ ...user('42'), grants: { subscribe: ['>'] } }, 'subscribe', '>', 'no'],
    [{ ...user('42'), grants: { subscribe: ['polycast.private.43'] } }, 'subscribe', 'polycast.private.43', 'yes'],
    [{ ...user('42'), grants: { publish: ['polycast.private.>'] } }, 'publish', 'polycast.private.43', 'yes'],
    [server({ subscribe: ['>'] }), 'subscribe', 'polycast.private.43', 'yes'],
  ])('%o: %s %s: %s', (principal, action, target, kind) => {
    expect(RULES.decide(principal, action, target).kind).toBe(kind);
  });

  test('a refusal names the rule and its requirement', () => {
    const byRule = { kind: 'no', by: 'rule 6 (chat.>)', needs: 'a user' };
    expect(RULES.decide(ANONYMOUS, 'subscribe', 'chat.a')).toEqual(byRule);
    const byDefault = { kind: 'no', by: 'the defaults', needs: 'a server with a key' };
    expect(RULES.decide(ANONYMOUS, 'publish', 'elsewhere')).toEqual(byDefault);
  });
});

const token = fc.constantFrom('a', 'b');
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? ['>'] : [])].join('.'));
const below = (names: readonly string[]) => names.flatMap((name) => ['a', 'b'].map((next) => `${name}.${next}`));
const channels = [['a', 'b'], below(['a', 'b']), below(below(['a', 'b'])), below(below(below(['a', 'b'])))].flat();

test('the relation of two patterns is the relation of their sets of channels', () => {
  fc.assert(
    fc.property(pattern, pattern, (one, other) => {
      const wanted = channels.filter((channel) => relationOf(other, channel) === 'covers');
      const covered = wanted.filter((channel) => relationOf(one, channel) === 'covers');
      const expected = covered.length === 0 ? 'disjoint' : covered.length === wanted.length ? 'covers' : 'overlaps';
      expect(relationOf(one, other)).toBe(expected);
    }),
    { numRuns: 2000 },
  );
});

test('each user has a private channel, which only that user may read', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.string({ maxLength: 20 }), (one, other) => {
      fc.pre(isUser(one) && isUser(other));
      expect(userOfToken(userToken(one))).toBe(one);
      expect(ownerOf(privateChannel(one))).toBe(one);
      expect(userToken(one) === userToken(other)).toBe(one === other);
    }),
  );
});

describe('the cost of decisions', () => {
  const rules = Array.from({ length: 300 }, (_, index) => ({
    pattern: `area${index}.*.>`,
    subscribe: ['users'] as const,
  }));
  const access = new AccessPolicy([...rules, { pattern: 'pub.>', subscribe: ['anyone'] }], {});

  test('a request is compared only with the rules of its first token, and the result for anyone is cached', () => {
    const channels = Array.from({ length: 100 }, (_, index) => `pub.${index}.${'a.'.repeat(80)}a`);
    for (let asked = 0; asked < 50; asked++)
      for (const channel of channels) expect(access.decide(ANONYMOUS, 'subscribe', channel).kind).toBe('yes');
    expect(access.comparisons).toBe(100);
    for (const channel of channels) expect(access.decide(user('1'), 'subscribe', channel).kind).toBe('yes');
    expect(access.comparisons).toBe(100);
    expect(access.decide(user('1'), 'subscribe', 'area7.a.b').kind).toBe('yes');
    expect(access.decide(ANONYMOUS, 'subscribe', 'area7.a.b').kind).toBe('no');
    // Once for anonymous clients, once for the user.
    expect(access.comparisons).toBe(102);
  });
});
