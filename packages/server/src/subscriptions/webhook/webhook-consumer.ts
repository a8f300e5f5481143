import type { WebhookDefinition, WebhookDelivery } from '../state/definition.ts';
import { EndpointLimiter } from './pacing/endpoint-limiter.ts';
import type { Lane } from '../state/lanes/lane.ts';
import { DurableConsumer } from '../engine/durable-consumer.ts';
import type { FairlyScheduled } from './pacing/fair-scheduler.ts';

/**
 * What the hub knows of one endpoint at present. A subscription and its replays share it, because
 * they send to the same endpoint. Example: a limit of 4 concurrent requests is for all of them.
 */
class EndpointState {
  /** The limits; `undefined` before the first request, and when they begin anew. */
  limiter: EndpointLimiter | undefined;
  /** Requests in flight. */
  inFlight = 0;
  /** When a suspended endpoint gets its next probe. */
  nextProbeMs = 0;
  /** The replays that are not done; `undefined` before the first one. */
  replays: readonly WebhookConsumer[] | undefined;
}

/** A webhook at work: a durable consumer whose events are sent to an endpoint. */
export class WebhookConsumer extends DurableConsumer<WebhookDefinition> implements FairlyScheduled {
  /** Created on first use, so that a quiet subscription does without. */
  #endpoint: EndpointState | undefined;
  /** The lane that is the probe of a failing or suspended endpoint. */
  probeLane: Lane | undefined;
  /** When the first event of a partial batch began to wait; 0 while none waits. */
  batchStartedMs = 0;
  /** True when it could have started more requests, but had to leave them to live deliveries. */
  isThrottled = false;
  queuedAs: FairlyScheduled['queuedAs'];

  override get primary(): WebhookConsumer {
    return this;
  }

  get delivery(): WebhookDelivery {
    return this.definition.delivery;
  }

  get endpoint(): EndpointState {
    const { primary } = this;
    return (primary.#endpoint ??= new EndpointState());
  }

  get isHealthy(): boolean {
    return this.primary.#endpoint?.limiter?.isHealthy === true;
  }

  /** The limiter of its endpoint. Creates one with the initial limits if there is none. */
  limiter(nowMs: number): EndpointLimiter {
    return (this.endpoint.limiter ??= createLimiter(this.primary, nowMs));
  }

  /** The limits begin anew with the next request. */
  resetLimiter(): void {
    const endpoint = this.primary.#endpoint;
    if (endpoint !== undefined) endpoint.limiter = undefined;
  }

  /** The replays of the subscription that are not done. */
  get replays(): readonly WebhookConsumer[] {
    return this.primary.#endpoint?.replays ?? [];
  }

  /** Events that wait for their next attempt are due, those of replays too. */
  retryNow(nowMs: number): void {
    for (const consumer of [this.primary, ...this.replays]) if (consumer.hasTracker) consumer.tracker.retryNow(nowMs);
  }

  /** Most open events, as far as the kind of consumer bounds them. */
  get openMax(): number {
    return Infinity;
  }

  /** Whether it sends the probes of a suspended endpoint. */
  get sendsProbes(): boolean {
    return true;
  }

  /** True when it is done permanently, and the store does not know yet. */
  get isNewlyDone(): boolean {
    return false;
  }
}

function createLimiter({ definition, status }: WebhookConsumer, nowMs: number): EndpointLimiter {
  const { concurrencyMax, ratePerSecond } = definition;
  const { restUntilMs = 0, failingSinceMs } = status;
  const limiter = new EndpointLimiter(concurrencyMax, ratePerSecond);
  // A backoff that began before a restart goes on as if the response had come now.
  if (nowMs < restUntilMs) limiter.onFailure('overloaded', nowMs, nowMs, failingSinceMs ?? nowMs, restUntilMs - nowMs);
  return limiter;
}
