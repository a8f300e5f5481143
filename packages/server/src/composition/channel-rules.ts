import type { Config } from '../config/parse.ts';
import { USER_TOKEN } from '../core/access/pattern-relation.ts';
import { defaultBurst, type ChannelSettings, type Rule } from '../core/access/channel-rules.ts';

/**
 * Converts the defaults of the configuration to settings of the core: `null` becomes `undefined`
 * (no bound), ages become milliseconds.
 */
export function channelSettings(defaults: Config['defaults']): ChannelSettings {
  const { publishRatePerSecond: rate, publishBurst, userPublishRatePerSecond: userRate, userPublishBurst } = defaults;
  return {
    retain: defaults.retain,
    historyCountMax: defaults.historyCountMax ?? undefined,
    historyBytesMax: defaults.historyBytesMax ?? undefined,
    historyAgeMaxMs: milliseconds(defaults.historyAgeMaxSeconds),
    eventBytesMax: defaults.eventBytesMax,
    publishRatePerSecond: rate ?? undefined,
    publishBurst: publishBurst ?? Math.max(1, rate ?? 1),
    userPublishRatePerSecond: userRate ?? undefined,
    userPublishBurst: userPublishBurst ?? defaultBurst(userRate),
    eventTypeCheck: defaults.eventTypeCheck,
  };
}

/** Converts a rule of the configuration. A setting that it does not have stays absent. */
export function channelRule({ pattern, ...set }: Config['rules'][number]): Rule {
  const { publishRatePerSecond: rate, publishBurst, userPublishRatePerSecond: userRate, userPublishBurst } = set;
  return {
    pattern: pattern.replace(USER_TOKEN, '*'),
    ...(set.retain !== undefined && { retain: set.retain }),
    ...(set.historyCountMax !== undefined && { historyCountMax: set.historyCountMax ?? undefined }),
    ...(set.historyBytesMax !== undefined && { historyBytesMax: set.historyBytesMax ?? undefined }),
    ...(set.historyAgeMaxSeconds !== undefined && { historyAgeMaxMs: milliseconds(set.historyAgeMaxSeconds) }),
    ...(set.eventBytesMax !== undefined && { eventBytesMax: set.eventBytesMax }),
    ...(rate !== undefined && { publishRatePerSecond: rate ?? undefined }),
    ...(publishBurst !== undefined && { publishBurst: publishBurst ?? Math.max(1, rate ?? 1) }),
    ...(userRate !== undefined && { userPublishRatePerSecond: userRate ?? undefined }),
    ...((typeof userPublishBurst === 'number' || userRate !== undefined) && {
      userPublishBurst: userPublishBurst ?? defaultBurst(userRate),
    }),
    ...(set.eventTypeCheck !== undefined && { eventTypeCheck: set.eventTypeCheck }),
  };
}

function milliseconds(seconds: number | null): number | undefined {
  return seconds === null ? undefined : seconds * 1000;
}
