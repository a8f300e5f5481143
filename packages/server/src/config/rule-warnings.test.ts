import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matches } from '@polycast/protocol';
import { parseConfig } from './parse.ts';
import { ruleWarnings } from './rule-warnings.ts';

function warningsOf(...rules: readonly object[]): readonly string[] {
  return ruleWarnings(parseConfig({ rules })).map(({ path, message }) => `${path}: ${message}`);
}

test('a rule whose settings an earlier rule takes is named, with the earlier one', () => {
  expect(warningsOf({ pattern: '>', retain: 'latest' }, { pattern: 'orders.*', retain: 'history' })).toEqual([
    expect.stringMatching(/^rules\.1: "orders\.\*" never applies: rules\.0 \(">"\) comes first/),
  ]);
  const [warning] = warningsOf(
    { pattern: 'orders.>', retain: 'latest' },
    { pattern: '>', subscribe: 'anyone' },
    { pattern: 'orders.{user}', retain: 'none', subscribe: 'owner' },
  );
  expect(warning).toContain('rules.0 ("orders.>") and rules.1 (">")');
});

test('a rule that adds a setting, or matches other channels, has no warning', () => {
  expect(
    warningsOf({ pattern: '>', retain: 'latest' }, { pattern: 'orders.*', retain: 'none', publish: 'users' }),
  ).toEqual([]);
  expect(warningsOf({ pattern: 'orders.42', retain: 'latest' }, { pattern: 'orders.*', retain: 'none' })).toEqual([]);
});

test('a rule without a setting is named', () => {
  expect(warningsOf({ pattern: 'a' })).toEqual([expect.stringContaining('has no setting')]);
});

test('what a named rule sets, an earlier rule sets for each of its channels', () => {
  const token = fc.constantFrom('a', 'b', '*');
  const pattern = fc
    .tuple(fc.array(token, { maxLength: 2 }), fc.constantFrom('a', '*', '>'))
    .map(([tokens, last]) => [...tokens, last].join('.'));
  const rule = fc.record({ pattern, retain: fc.constantFrom('latest', 'none') });
  const channel = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 5 }), channel, (rules, name) => {
      const named = ruleWarnings(parseConfig({ rules })).map(({ path }) => Number(path.slice('rules.'.length)));
      const first = rules.findIndex((each) => matches(each.pattern, name));
      expect(named).not.toContain(first);
    }),
  );
});
