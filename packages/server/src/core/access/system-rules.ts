import { SYSTEM_PREFIX } from './system-channels.ts';
import type { Rule } from './channel-rules.ts';

/** What holds for the hub's own events, whatever the rules for everything say; a rule whose pattern begins with `polycast.` goes before it. */
export const SYSTEM_RULES: readonly Rule[] = [
  systemRule('polycast.presence.>'),
  systemRule('polycast.users.>'),
  systemRule('polycast.channels.>'),
  // A subscription that was suspended over a weekend is news on Monday.
  { ...systemRule('polycast.subscriptions.>'), historyAgeMaxMs: 7 * 86_400_000 },
];

/**
 * Who was where is nobody's business for long, and whoever was away for longer asks again who is there. But all of it is kept for
 * that long, so that a resumed reader hears of each change.
 */
function systemRule(pattern: string): Rule {
  return {
    pattern,
    retain: 'history',
    historyAgeMaxMs: 3_600_000,
    historyCountMax: 100_000,
    historyBytesMax: undefined,
    eventBytesMax: 65_536,
    publishRatePerSecond: undefined,
  };
}

/** The rules of a hub in the order in which they hold. */
export function withSystemRules(rules: readonly Rule[]): readonly Rule[] {
  const isSystemRule = ({ pattern }: Rule): boolean => pattern.startsWith(SYSTEM_PREFIX);
  return [...rules.filter(isSystemRule), ...SYSTEM_RULES, ...rules.filter((rule) => !isSystemRule(rule))];
}
