import { Pace } from '../core/subscription/pace.ts';
import type { Line } from './line.ts';

/** What the endpoint of a subscription's own line can take; it begins anew where there is none. */
export function paceOf(root: Line, nowMs: number): Pace {
  return (root.pace ??= newPace(root, nowMs));
}

function newPace({ definition, standing }: Line, nowMs: number): Pace {
  const { concurrencyMax, ratePerSecond } = definition;
  const { restUntilMs = 0, failingSinceMs } = standing;
  const pace = new Pace(concurrencyMax, ratePerSecond);
  // As if what was answered before a restart had been answered now.
  if (nowMs < restUntilMs) pace.failed('overrun', nowMs, nowMs, failingSinceMs ?? nowMs, restUntilMs - nowMs);
  return pace;
}
