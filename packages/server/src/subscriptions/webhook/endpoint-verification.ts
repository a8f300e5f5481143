import { randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { Clock, Random } from '../../core/ports.ts';
import type { WebhookDefinition } from '../state/definition.ts';
import type { Dialects, VerificationRequest, VerificationResult } from '../state/dialect.ts';
import type { DueItem } from '../state/due-heap.ts';
import type { Attempt } from '../state/ports.ts';
import type { Sender, SendResult } from '../state/sender.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import { withJitter } from './pacing/retry-schedule.ts';
import { TokenBuckets } from '../../core/primitives/token-buckets.ts';
import { DeadlineTimer } from '../engine/deadline-timer.ts';
import { attemptWithoutEvent } from './attempt-record.ts';
import type { InFlightJournal } from '../state/in-flight-journal.ts';
import type { DurableConsumer } from '../engine/durable-consumer.ts';
import type { WebhookConsumer } from './webhook-consumer.ts';
import type { CrashQuarantine } from './crash-quarantine.ts';
import { classify } from './outcome.ts';

export interface EndpointVerificationParts {
  readonly epoch: string;
  /** Host name by which the hub identifies itself to endpoints. */
  readonly origin: string;
  readonly sender: Sender;
  readonly dialects: Dialects;
  readonly store: Pick<SubscriptionStore, 'enqueue'>;
  readonly clock: Clock;
  readonly inFlightJournal: InFlightJournal;
  readonly quarantine: CrashQuarantine;
  readonly random: Random;
  /** How many times faster the clock runs than real time. */
  readonly speed: number;
  readonly nextAttempt: () => number;
  /**
   * Resolves once the status of the subscription shows the result.
   * @param isGone the endpoint answered that it is gone (410)
   */
  readonly onResult: (consumer: WebhookConsumer, result: VerificationResult, isGone: boolean) => Promise<void>;
}

/**
 * Delays between verification requests without success, as an endpoint may not be deployed yet. If
 * the request after the last delay fails too, the verification counts as refused.
 */
const RETRY_DELAYS_MS = [10_000, 60_000, 600_000, 3_600_000];
/**
 * Bounds of verifications on request: this interval for one endpoint, and this rate for one host.
 */
const REQUEST_INTERVAL_MS_MIN = 5000;
const HOST_REQUESTS_PER_SECOND = 10;

/**
 * Verifies that endpoints want the events of their subscriptions (PROTOCOL.md section 14.5).
 * Example: the hub sends a `polycast.verify` event with a challenge. The endpoint returns the
 * challenge, and the subscription becomes `active`.
 */
export class EndpointVerification {
  readonly #parts: EndpointVerificationParts;
  readonly #timer: DeadlineTimer<PendingVerification>;
  readonly #pending = new Map<DurableConsumer, PendingVerification>();
  /** Rate limits by host, for verifications that users request. */
  readonly #hostBuckets = new TokenBuckets();

  constructor(parts: EndpointVerificationParts) {
    this.#parts = parts;
    this.#timer = new DeadlineTimer<PendingVerification>(parts.clock, parts.speed, (pending) => this.#verify(pending));
  }

  /** Sends a verification request now and repeats it until it succeeds or the retries end. */
  start(consumer: WebhookConsumer): void {
    this.forget(consumer);
    const pending: PendingVerification = {
      consumer,
      attempts: 0,
      requestedMs: 0,
      inFlight: undefined,
      dueMs: 0,
      heapIndex: -1,
    };
    this.#pending.set(consumer, pending);
    if (!this.#parts.quarantine.isHeld(consumer)) this.#verify(pending);
  }

  /** Sends the first request if the quarantine has delayed it. */
  onReleased(consumer: WebhookConsumer): void {
    const pending = this.#pending.get(consumer);
    if (pending?.inFlight === undefined && pending?.attempts === 0) this.#verify(pending);
  }

  /**
   * Sends a verification request before its time, because a user reports the endpoint as ready. The
   * retries begin anew. If a request is in flight already, this call waits for that one. Resolves
   * once the status shows the result.
   * @throws PolycastError `rate_limited`
   */
  async verifyNow(consumer: DurableConsumer): Promise<void> {
    const pending = this.#pending.get(consumer);
    if (pending === undefined) return;
    if (pending.inFlight === undefined) {
      this.#assertNotTooSoon(pending);
      this.#timer.remove(pending);
      pending.attempts = 0;
      this.#verify(pending);
    }
    await pending.inFlight;
  }

  forget(consumer: WebhookConsumer): void {
    const pending = this.#pending.get(consumer);
    if (pending === undefined) return;
    this.#timer.remove(pending);
    this.#pending.delete(consumer);
  }

  /** Sends one verification request within a caller's request, without retries. */
  verifyOnce(definition: WebhookDefinition): Promise<VerificationAttempt> {
    return this.#exchange(definition);
  }

  close(): void {
    this.#timer.close();
    this.#pending.clear();
  }

  #assertNotTooSoon({ consumer, requestedMs }: PendingVerification): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const tooSoonMs = Math.ceil(requestedMs + REQUEST_INTERVAL_MS_MIN - nowMs);
    if (tooSoonMs > 0)
      throw new PolycastError(
        'rate_limited',
        `The last verification of the endpoint was less than ${REQUEST_INTERVAL_MS_MIN / 1000} s ago.`,
        {
          retryAfterMs: tooSoonMs,
        },
      );
    const { host } = new URL(consumer.delivery.url);
    const retryAfterMs = this.#hostBuckets.take(host, HOST_REQUESTS_PER_SECOND, HOST_REQUESTS_PER_SECOND, nowMs);
    if (retryAfterMs > 0)
      throw new PolycastError('rate_limited', 'Too many endpoints of the host are being verified.', { retryAfterMs });
  }

  #verify(pending: PendingVerification): void {
    pending.requestedMs = this.#parts.clock.monotonicMs();
    pending.inFlight = this.#runVerification(pending).finally(() => (pending.inFlight = undefined));
  }

  async #runVerification(pending: PendingVerification): Promise<void> {
    const { consumer } = pending;
    const { clock, random, store, onResult } = this.#parts;
    const { result, attempt } = await this.#exchange(consumer.definition, ++pending.attempts);
    this.#parts.quarantine.onCompleted(consumer, [0]);
    store.enqueue([{ kind: 'attempt', attempt }]);
    // Meanwhile the subscription may have been removed, or may have another URL.
    if (this.#pending.get(consumer) !== pending) return;
    const delayMs = RETRY_DELAYS_MS[pending.attempts - 1];
    const isGone = attempt.outcome === 'gone';
    if (!result.isVerified && !isGone && delayMs !== undefined) {
      this.#timer.set(pending, clock.nowMs() + withJitter(delayMs, random.fraction()));
      return;
    }
    await onResult(consumer, result, isGone);
  }

  async #exchange(definition: WebhookDefinition, attemptNumber = 1): Promise<VerificationAttempt> {
    const { epoch, sender, clock, nextAttempt, inFlightJournal } = this.#parts;
    const { timeoutMs } = definition.delivery;
    const startedMs = clock.nowMs();
    const { evaluate, ...request } = this.#requestFor(definition, startedMs);
    const journalSlot = inFlightJournal.onStarted(definition.id, 0);
    const sent: SendResult = await sender.send({ ...request, timeoutMs });
    inFlightJournal.onEnded(journalSlot);
    const result = evaluate(sent);
    const { outcome } = classify(sent, clock.nowMs());
    const known = {
      subscription: definition.id,
      number: nextAttempt(),
      epoch,
      attempt: attemptNumber,
      startedMs,
      outcome: outcome === 'delivered' && !result.isVerified ? 'answer' : outcome,
      detail: result.isVerified ? sent.detail : result.detail,
    };
    const attempt = attemptWithoutEvent(known, request, sent);
    return { result, attempt };
  }

  #requestFor({ id, delivery, ratePerSecond }: WebhookDefinition, nowMs: number): VerificationRequest {
    const { dialects, origin } = this.#parts;
    const { verification } = dialects.get(delivery.dialect);
    if (verification === undefined)
      throw new Error(`an endpoint of ${delivery.dialect} is verified before its creation`);
    return verification.request({ id, ratePerSecond, delivery }, { origin, nowMs, randomText });
  }
}

function randomText(byteCount: number): string {
  return randomBytes(byteCount).toString('base64url');
}

/** One verification request, and what the endpoint's dialect makes of the response. */
interface VerificationAttempt {
  readonly result: VerificationResult;
  readonly attempt: Attempt;
}

interface PendingVerification extends DueItem {
  readonly consumer: WebhookConsumer;
  attempts: number;
  /** Time of the last request on the monotonic clock. */
  requestedMs: number;
  /** Settles when the last request is answered and the status shows the result. */
  inFlight: Promise<void> | undefined;
}
