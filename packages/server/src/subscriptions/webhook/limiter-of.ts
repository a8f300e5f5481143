import { EndpointLimiter } from '../state/endpoint-limiter.ts';
import type { DurableConsumer } from '../engine/durable-consumer.ts';

/**
 * The limiter of a subscription's endpoint, shared with its replays. Creates one with the initial
 * limits if there is none.
 */
export function limiterOf(primary: DurableConsumer, nowMs: number): EndpointLimiter {
  return (primary.limiter ??= createLimiter(primary, nowMs));
}

function createLimiter({ definition, status }: DurableConsumer, nowMs: number): EndpointLimiter {
  const { concurrencyMax, ratePerSecond } = definition;
  const { restUntilMs = 0, failingSinceMs } = status;
  const limiter = new EndpointLimiter(concurrencyMax, ratePerSecond);
  // A backoff that began before a restart goes on as if the response had come now.
  if (nowMs < restUntilMs) limiter.onFailure('overloaded', nowMs, nowMs, failingSinceMs ?? nowMs, restUntilMs - nowMs);
  return limiter;
}
