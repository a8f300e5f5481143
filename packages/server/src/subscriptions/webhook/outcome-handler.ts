import type { Random, StoredRecord } from '../../core/ports.ts';
import type { AttemptOutcome } from '../state/ports.ts';
import type { SendResult } from '../state/sender.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import { retryDelayMs, withJitter } from './pacing/retry-schedule.ts';
import { attemptOf, type InFlightRequest } from './attempt-record.ts';
import type { DeadLetters } from '../engine/dead-letters.ts';
import type { CheckpointScheduler } from '../engine/checkpoint-scheduler.ts';
import type { Lifecycle } from '../engine/subscription-lifecycle.ts';
import { classify, type Failed } from './outcome.ts';

export interface OutcomeHandlerParts {
  readonly epoch: string;
  readonly store: Pick<SubscriptionStore, 'enqueue' | 'keepsAttempt'>;
  /** Whether any of these events was erased while they were sent. */
  readonly hasErased: (records: readonly StoredRecord[]) => boolean;
  readonly checkpoints: CheckpointScheduler;
  readonly random: Random;
  readonly settings: { readonly probeSeconds: number };
  readonly lifecycle: Lifecycle;
  readonly deadLetters: DeadLetters;
  readonly nextAttempt: () => number;
  /** Receives the duration of each request, in milliseconds. */
  readonly answered: (durationMs: number) => void;
}

/** Counters since the start of the hub. */
export interface WebhookMetrics {
  /** Requests by outcome. */
  readonly outcomes: Record<string, number>;
  events: number;
  retries: number;
}

/** Shortest time from a probe to the next attempt of the same event. */
const PROBE_RETRY_MS = 1000;

/**
 * Applies the outcome of a request to its events, to the endpoint's limiter and to the
 * subscription's status.
 */
export class OutcomeHandler {
  readonly #parts: OutcomeHandlerParts;
  readonly metrics: WebhookMetrics = { outcomes: {}, events: 0, retries: 0 };

  constructor(parts: OutcomeHandlerParts) {
    this.#parts = parts;
  }

  onCompleted(inFlightRequest: InFlightRequest, sent: SendResult, nowMs: number): void {
    const { checkpoints, store, epoch, nextAttempt, hasErased } = this.#parts;
    const { primary } = inFlightRequest.consumer;
    const classification = classify(sent, nowMs);
    const { outcome } = classification;
    this.#countOutcome(inFlightRequest, outcome, sent);
    const isErased = hasErased(inFlightRequest.records);
    if (!isErased && store.keepsAttempt(primary.id, outcome === 'delivered'))
      store.enqueue([{ kind: 'attempt', attempt: attemptOf(inFlightRequest, epoch, nextAttempt(), sent, outcome) }]);
    if (classification.outcome === 'delivered') this.#onDelivered(inFlightRequest, nowMs);
    else this.#onFailed(inFlightRequest, classification, sent, nowMs);
    if (primary.status.state !== 'ended') checkpoints.markDirty(inFlightRequest.consumer);
  }

  #onDelivered({ consumer, tracker, lanes }: InFlightRequest, nowMs: number): void {
    const { primary } = consumer;
    const limiter = consumer.limiter(nowMs);
    const wasFailing = limiter.isFailing;
    for (const lane of lanes) tracker.complete(lane);
    limiter.onSuccess(nowMs);
    const { state } = primary.status;
    // The endpoint is back: events that wait for their retry become due.
    if (wasFailing || state === 'suspended') consumer.retryNow(nowMs);
    if (state === 'suspended') limiter.onRecovered(nowMs);
    this.#parts.lifecycle.onSuccess(primary);
  }

  #onFailed(inFlightRequest: InFlightRequest, classification: Failed, sent: SendResult, nowMs: number): void {
    const { consumer, tracker, lanes, startedMs, isProbe } = inFlightRequest;
    const { random, lifecycle, settings, deadLetters } = this.#parts;
    const { primary } = consumer;
    const { retryDelaysMs } = consumer.delivery;
    const { outcome, feedback, retryAfterMs } = classification;
    if (outcome === 'gone') {
      for (const lane of lanes) tracker.retryUncounted(lane, nowMs);
      return lifecycle.onGone(primary);
    }
    // The request itself is at fault, not the endpoint, and no retry would succeed.
    if (outcome === 'request') {
      for (const lane of lanes) deadLetters.add(consumer, tracker, lane, outcome, detailOf(sent), nowMs);
      return;
    }
    const failingSinceMs = lifecycle.markFailing(primary, startedMs);
    consumer.limiter(nowMs).onFailure(feedback, startedMs, nowMs, failingSinceMs, retryAfterMs);
    if (feedback === 'overloaded' && retryAfterMs !== undefined) lifecycle.backOff(primary, nowMs + retryAfterMs);
    consumer.endpoint.nextProbeMs = nowMs + withJitter(settings.probeSeconds * 1000, random.fraction());
    for (const lane of lanes) {
      const delayMs = retryDelayMs(retryDelaysMs, lane.attempts, random.fraction(), retryAfterMs);
      if (isProbe) tracker.retryUncounted(lane, Math.max(lane.dueMs, nowMs + PROBE_RETRY_MS));
      else if (delayMs === undefined) deadLetters.add(consumer, tracker, lane, outcome, detailOf(sent), nowMs);
      else tracker.retry(lane, nowMs + delayMs);
    }
    lifecycle.onFailure(primary);
  }

  #countOutcome({ lanes }: InFlightRequest, outcome: AttemptOutcome, sent: SendResult): void {
    const { outcomes } = this.metrics;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    for (const { handedOutCount, attempts } of lanes) {
      if (outcome === 'delivered') this.metrics.events += handedOutCount;
      if (attempts > 1) this.metrics.retries++;
    }
    this.#parts.answered(sent.timing.totalMs);
  }
}

/**
 * Text for a dead letter, which stores no response. It shows nothing of a response from a private
 * address (PROTOCOL.md section 14.3).
 */
function detailOf({ detail, answer, isPrivateAddress }: SendResult): string {
  return detail === '' && answer !== undefined && !isPrivateAddress
    ? `The endpoint answered with status ${answer.status}.`
    : detail;
}
