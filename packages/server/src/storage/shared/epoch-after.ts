import { createEpoch } from '@polycast/protocol';

/**
 * A new epoch that sorts after the old one, even if the clock went back.
 * @param old empty for none
 */
export function epochAfter(old: string, nowMs: number, chance: number): string {
  let epoch = createEpoch(nowMs, chance);
  for (let aheadMs = 1000; epoch <= old; aheadMs *= 2) epoch = createEpoch(nowMs + aheadMs, chance);
  return epoch;
}
