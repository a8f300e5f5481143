import type { Config } from '../config/parse.ts';
import { USER_TOKEN } from '../core/access/pattern-relation.ts';
import type { ChannelSettings, Rule } from '../core/access/channel-rules.ts';

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

/** The default burst: the events of two seconds. */
function defaultBurst(perSecond: number | null | undefined): number {
  return Math.max(1, 2 * (perSecond ?? 1));
}

/** The rate at which one user or address may publish over all channels. */
export function clientRate({ limits }: Config): { readonly perSecond: number; readonly burst: number } | undefined {
  const { clientPublishRatePerSecond: perSecond, clientPublishBurst } = limits;
  return perSecond === null ? undefined : { perSecond, burst: clientPublishBurst ?? defaultBurst(perSecond) };
}
