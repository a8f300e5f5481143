import { SYSTEM_PREFIX } from './system-channels.ts';
import type { Rule } from './channel-rules.ts';

/**
 * The rules for the hub's own events. They come before the rules of the site, except those whose
 * pattern begins with `polycast.`.
 */
export const SYSTEM_RULES: readonly Rule[] = [
  systemRule('polycast.presence.>'),
  systemRule('polycast.users.>'),
  systemRule('polycast.channels.>'),
  // Operators read on Monday that a subscription was suspended on the weekend.
  { ...systemRule('polycast.subscriptions.>'), historyAgeMaxMs: 7 * 86_400_000 },
];

/**
 * Presence events are stored for one hour, for privacy. A client that was away for longer asks for
 * the snapshot again. Within the hour all of them are stored, so that a reader that resumes
 * receives each change.
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

/** The rules of a hub in their order. */
export function withSystemRules(rules: readonly Rule[]): readonly Rule[] {
  const isSystemRule = ({ pattern }: Rule): boolean => pattern.startsWith(SYSTEM_PREFIX);
  return [...rules.filter(isSystemRule), ...SYSTEM_RULES, ...rules.filter((rule) => !isSystemRule(rule))];
}
