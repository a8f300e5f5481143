import type { ChannelState, TrimOrder } from './ports.ts';
import type { ChannelRules } from './access/channel-rules.ts';

/**
 * The trim orders that the rules require. A `latest` channel stores its one event regardless of
 * age. A channel that has become `none` keeps no earlier event.
 */
export function trimOrders(states: readonly ChannelState[], rules: ChannelRules, nowMs: number): readonly TrimOrder[] {
  const orders: TrimOrder[] = [];
  for (const state of states) {
    const order = trimOrder(state, rules, nowMs);
    if (order !== undefined) orders.push(order);
  }
  return orders;
}

function trimOrder(
  { channel, count, bytes, oldestTimeMs }: ChannelState,
  rules: ChannelRules,
  nowMs: number,
): TrimOrder | undefined {
  if (count === 0) return undefined;
  const settings = rules.settingsFor(channel);
  if (settings.retain === 'none') return { channel, countMax: 0 };
  if (settings.retain === 'latest') return count > 1 ? { channel, countMax: 1 } : undefined;
  const { historyCountMax, historyBytesMax, historyAgeMaxMs } = settings;
  const olderThanMs = historyAgeMaxMs === undefined ? undefined : nowMs - historyAgeMaxMs;
  const tooMany = historyCountMax !== undefined && count > historyCountMax;
  const tooLarge = historyBytesMax !== undefined && bytes > historyBytesMax;
  const tooOld = olderThanMs !== undefined && oldestTimeMs < olderThanMs;
  if (!tooMany && !tooLarge && !tooOld) return undefined;
  return {
    channel,
    ...(tooMany ? { countMax: historyCountMax } : {}),
    ...(tooLarge ? { bytesMax: historyBytesMax } : {}),
    ...(tooOld ? { olderThanMs } : {}),
  };
}
