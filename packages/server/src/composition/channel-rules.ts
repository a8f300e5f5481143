import type { Config, RuleSettings } from '../config/parse.ts';
import { USER_TOKEN } from '../core/access/pattern-relation.ts';
import type { ChannelSettings, Rule } from '../core/access/channel-rules.ts';

/**
 * Converts settings of the configuration to those of the core: `null` becomes `undefined` (no
 * bound), ages become milliseconds.
 */
export function channelSettings(settings: RuleSettings): ChannelSettings {
  return channelRule({ pattern: '>', ...settings }) as unknown as ChannelSettings;
}

/** Converts a rule of the configuration. A setting that it does not have stays absent. */
export function channelRule({
  pattern,
  ...set
}: { readonly pattern: string } & {
  readonly [Setting in keyof RuleSettings]?: RuleSettings[Setting] | undefined;
}): Rule {
  const rule: Record<string, unknown> = { pattern: pattern.replace(USER_TOKEN, '*') };
  if (set.retain !== undefined) rule['retain'] = set.retain;
  if (set.historyCountMax !== undefined) rule['historyCountMax'] = set.historyCountMax ?? undefined;
  if (set.historyBytesMax !== undefined) rule['historyBytesMax'] = set.historyBytesMax ?? undefined;
  if (set.historyAgeMaxSeconds !== undefined)
    rule['historyAgeMaxMs'] = set.historyAgeMaxSeconds === null ? undefined : set.historyAgeMaxSeconds * 1000;
  if (set.eventBytesMax !== undefined) rule['eventBytesMax'] = set.eventBytesMax;
  if (set.publishRatePerSecond !== undefined) rule['publishRatePerSecond'] = set.publishRatePerSecond ?? undefined;
  if (set.publishBurst !== undefined)
    rule['publishBurst'] = set.publishBurst ?? Math.max(1, set.publishRatePerSecond ?? 1);
  if (set.userPublishRatePerSecond !== undefined)
    rule['userPublishRatePerSecond'] = set.userPublishRatePerSecond ?? undefined;
  if (typeof set.userPublishBurst === 'number' || set.userPublishRatePerSecond !== undefined)
    rule['userPublishBurst'] = set.userPublishBurst ?? defaultBurst(set.userPublishRatePerSecond);
  if (set.eventTypeCheck !== undefined) rule['eventTypeCheck'] = set.eventTypeCheck;
  return rule as Rule;
}

/** The default burst: the events of two seconds. */
function defaultBurst(perSecond: number | null | undefined): number {
  return Math.max(1, 2 * (perSecond ?? 1));
}

/** The rate at which one user or address may publish over all channels. */
export function clientRate({ limits }: Config): { readonly perSecond: number; readonly burst: number } | undefined {
  const { clientPublishRatePerSecond: perSecond, clientPublishBurst } = limits;
  return perSecond === null ? undefined : { perSecond, burst: clientPublishBurst ?? defaultBurst(perSecond) };
}
