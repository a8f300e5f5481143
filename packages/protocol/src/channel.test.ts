import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasWildcard, isChannel, isPattern, matches } from './channel.ts';

const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,4}$/);
const channel = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'));

describe('channels and patterns (PROTOCOL.md section 1)', () => {
  it.each(['a', 'orders.42.status', 'A_b-9', 'a'.repeat(200)])('accepts the channel %j', (name) =>
    expect(isChannel(name)).toBe(true),
  );
  it.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'é', 'a*', '*', '>', 'a/b', 'a\n', 'a'.repeat(201)])(
    'refuses the channel %j',
    (name) => expect(isChannel(name)).toBe(false),
  );
  it.each(['*', '>', 'a.*', '*.b', 'a.>', '*.*.>', 'a'])('accepts the pattern %j', (name) =>
    expect(isPattern(name)).toBe(true),
  );
  it.each(['', '>.a', 'a.>.b', 'a*', 'a.b*', '**', '>>', 'a.', '*.'])('refuses the pattern %j', (name) =>
    expect(isPattern(name)).toBe(false),
  );

  it.each([
    ['orders.*', 'orders.42', true],
    ['orders.*', 'orders.42.status', false],
    ['orders.*', 'orders', false],
    ['orders.>', 'orders.42', true],
    ['orders.>', 'orders.42.status', true],
    ['orders.>', 'orders', false],
    ['>', 'a', true],
    ['*.b', 'a.b', true],
    ['a.b', 'a.b', true],
  ])('%s covers %s: %s', (pattern, name, covered) => expect(matches(pattern, name)).toBe(covered));

  it('lets every channel be covered by itself, by its stars and by its prefix with >', () => {
    fc.assert(
      fc.property(channel, fc.nat(), (name, at) => {
        const tokens = name.split('.');
        const index = at % tokens.length;
        expect(matches(name, name)).toBe(true);
        expect(matches(tokens.with(index, '*').join('.'), name)).toBe(true);
        const prefix = [...tokens.slice(0, index), '>'].join('.');
        expect(isPattern(prefix) && hasWildcard(prefix) && matches(prefix, name)).toBe(true);
      }),
    );
  });
});
