import { isPattern as isPatternOfProtocol, matches } from '@polycast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPattern, matcherOf, OWN_CHANNEL } from './patterns.ts';

const token = fc.stringMatching(/^[ab_-]{1,2}$/);
const channel = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 3 }), fc.oneof(token, fc.constantFrom('*', '>')))
  .map(([tokens, last]) => [...tokens, last].join('.'));

test('a pattern covers the channels that the protocol says', () => {
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), channel, (patterns, name) => {
      expect(matcherOf(patterns).test(name)).toBe(patterns.some((each) => matches(each, name)));
    }),
    { numRuns: 5000 },
  );
});

test('a name with wildcards is a pattern, as the protocol says', () => {
  const text = fc.oneof(pattern, channel, fc.string({ maxLength: 4 }), fc.stringMatching(/^[ab.*>]{0,6}$/));
  fc.assert(
    fc.property(text, (each) => {
      expect(isPattern(each)).toBe(isPatternOfProtocol(each));
    }),
    { numRuns: 5000 },
  );
  expect([isPattern('a'.repeat(200)), isPattern('a'.repeat(201)), isPattern('a\n'), isPattern('é')]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test('a user’s own channel matches the name that its events have', () => {
  const matcher = matcherOf(['a.b', OWN_CHANNEL]);
  const names = ['a.b', 'a.c', 'polycast.private.ann', 'polycast.presence.ann', 'xpolycast.private.ann'];
  expect(names.filter((name) => matcher.test(name))).toEqual(['a.b', 'polycast.private.ann']);
});
