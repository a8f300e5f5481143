import { EndpointLimiter } from '../state/endpoint-limiter.ts';
import type { DurableConsumer } from '../engine/durable-consumer.ts';

/** What the endpoint of a subscription's own line can take; it begins anew where there is none. */
export function limiterOf(primary: DurableConsumer, nowMs: number): EndpointLimiter {
  return (primary.limiter ??= createLimiter(primary, nowMs));
}

function createLimiter({ definition, status }: DurableConsumer, nowMs: number): EndpointLimiter {
  const { concurrencyMax, ratePerSecond } = definition;
  const { restUntilMs = 0, failingSinceMs } = status;
  const limiter = new EndpointLimiter(concurrencyMax, ratePerSecond);
  // As if what was answered before a restart had been answered now.
  if (nowMs < restUntilMs) limiter.onFailure('overloaded', nowMs, nowMs, failingSinceMs ?? nowMs, restUntilMs - nowMs);
  return limiter;
}
