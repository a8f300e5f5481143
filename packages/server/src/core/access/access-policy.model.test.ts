import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AccessPolicy, type AccessDefaults, type Grantee } from './access-policy.ts';
import { relationOf } from './pattern-relation.ts';
import { ANONYMOUS, type Action, type Principal } from './principal.ts';

/** A small complete world: names of at most four tokens. `8` is also a user. */
const NAMES = ['a', '8', 'polycast', 'private', 'presence'];
const CHANNELS = channelsUpTo(4);
const ACTIONS: readonly Action[] = ['subscribe', 'history', 'presence', 'publish'];

const grantee: fc.Arbitrary<Grantee> = fc.constantFrom<Grantee>('anyone', 'users', 'owner', 'server', 'site', {
  claim: 'role',
  value: 'staff',
});
const grants: fc.Arbitrary<AccessDefaults> = fc.record(
  Object.fromEntries(ACTIONS.map((action) => [action, fc.array(grantee, { minLength: 1, maxLength: 2 })])),
  { requiredKeys: [] },
);
const request = patternOf([...NAMES, '*']);
const rule = fc
  .tuple(patternOf([...NAMES, '*', '{user}']), grants)
  .filter(([pattern]) => pattern.split('{user}').length <= 2)
  .map(([pattern, granted]) => ({ pattern, ...granted }));
const scopes = fc.record(
  { subscribe: fc.array(request, { maxLength: 2 }), publish: fc.array(request, { maxLength: 2 }) },
  { requiredKeys: [] },
);
const principal: fc.Arbitrary<Principal> = fc.oneof(
  fc.constant(ANONYMOUS),
  scopes.map((granted): Principal => ({ ...ANONYMOUS, kind: 'user', user: '7', grants: granted })),
  fc.constant<Principal>({ ...ANONYMOUS, kind: 'user', user: '8', claims: { role: 'staff' } }),
  scopes.map((granted): Principal => ({ ...ANONYMOUS, kind: 'server', key: 'k', grants: granted })),
);

test('with any rules: no pattern allows a channel that its own name does not allow', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 4 }),
      grants,
      principal,
      fc.constantFrom(...ACTIONS),
      request,
      (...given) => {
        const [rules, defaults, who, action, pattern] = given;
        const access = new AccessPolicy(rules, defaults);
        const asPattern = access.decide(who, action, pattern).kind;
        if (asPattern === 'no') return;
        // The hub's own channels have no presence themselves.
        const allowed = action === 'presence' ? CHANNELS.filter((each) => !each.startsWith('polycast.')) : CHANNELS;
        for (const channel of allowed.filter((each) => relationOf(pattern, each) === 'covers')) {
          const byName = access.decide(who, action, channel).kind;
          expect([channel, byName]).not.toEqual([channel, 'no']);
          if (asPattern === 'yes') expect([channel, byName]).toEqual([channel, 'yes']);
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test("with any rules: no caller publishes the hub's own events", () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), grants, principal, (rules, defaults, who) => {
      const access = new AccessPolicy(rules, defaults);
      for (const channel of CHANNELS.filter((each) => /^polycast\.(?!private\.)/.test(each)))
        expect([channel, access.decide(who, 'publish', channel).kind]).toEqual([channel, 'no']);
    }),
    { numRuns: 300 },
  );
});

/** Patterns of one to four tokens, some of which end with `>`. */
function patternOf(tokens: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(fc.constantFrom(...tokens), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([some, isOpen]) => (isOpen ? [...some.slice(0, -1), '>'] : some).join('.'));
}

function channelsUpTo(length: number): readonly string[] {
  const all: string[][] = [[]];
  for (const channel of all) if (channel.length < length) all.push(...NAMES.map((name) => [...channel, name]));
  return all.slice(1).map((channel) => channel.join('.'));
}
