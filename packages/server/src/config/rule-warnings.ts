import { relationOf, USER_TOKEN } from '../core/access/pattern-relation.ts';
import type { ConfigProblem } from './config-error.ts';
import type { Config } from './settings/config-schema.ts';

/**
 * Finds rules that have no effect. A setting of a channel comes from the first rule that matches
 * the channel and has the setting. So an earlier rule can take every setting of a later one.
 * Example: after `{pattern: ">", retain: latest}`, the rule
 * `{pattern: "orders.*", retain: history}` never applies.
 */
export function ruleWarnings({ rules }: Pick<Config, 'rules'>): readonly ConfigProblem[] {
  return rules.flatMap((rule, index) => {
    const path = `rules.${index}`;
    const settings = settingsOf(rule);
    if (settings.length === 0) return [{ path, message: `"${rule.pattern}" has no setting, so it has no effect` }];
    const takers = settings.map((setting) => takerOf(rules.slice(0, index), rule.pattern, setting));
    if (takers.includes(-1)) return [];
    const names = [...new Set(takers)].map((taker) => `rules.${taker} ("${rules[taker]?.pattern}")`).join(' and ');
    return [
      {
        path,
        message: `"${rule.pattern}" never applies: ${names} comes first, matches the same channels and has the same settings; move the more specific rule up`,
      },
    ];
  });
}

/** The first of the rules that sets this for all channels of a pattern; -1 for none. */
function takerOf(rules: Config['rules'], pattern: string, setting: string): number {
  const channels = pattern.replace(USER_TOKEN, '*');
  return rules.findIndex(
    (rule) => settingsOf(rule).includes(setting) && relationOf(rule.pattern, channels) === 'covers',
  );
}

function settingsOf(rule: Config['rules'][number]): readonly string[] {
  return Object.entries(rule)
    .filter(([name, value]) => name !== 'pattern' && value !== undefined)
    .map(([name]) => name);
}
