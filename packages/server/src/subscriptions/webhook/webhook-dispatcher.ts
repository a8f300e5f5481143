import { performance } from 'node:perf_hooks';
import type { Clock, StoredRecord } from '../../core/ports.ts';
import type { WebhookDelivery } from '../state/definition.ts';
import type { Dialects } from '../state/dialect.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import type { DeliveryTracer } from '../state/delivery-tracer.ts';
import type { EndpointLimiter } from './pacing/endpoint-limiter.ts';
import type { Sender, SendResult } from '../state/sender.ts';
import { traceRequest } from './traced-request.ts';
import type { AckTracker } from '../state/lanes/ack-tracker.ts';
import { withJitter } from './pacing/retry-schedule.ts';
import { DeadlineTimer } from '../engine/deadline-timer.ts';
import { assembleRequest, handedOutRecords, type UnsendableLanes } from './assemble-request.ts';
import { BackfillThrottle } from './pacing/backfill-throttle.ts';
import type { InFlightRequest } from './attempt-record.ts';
import type { InFlightJournal } from '../state/in-flight-journal.ts';
import { isGap } from '../engine/gap.ts';
import { OutcomeHandler, type WebhookMetrics, type OutcomeHandlerParts } from './outcome-handler.ts';
import type { Executor } from '../engine/executor.ts';
import type { WebhookConsumer } from './webhook-consumer.ts';
import type { EndpointVerification } from './endpoint-verification.ts';
import type { CrashQuarantine } from './crash-quarantine.ts';
import { FairScheduler } from './pacing/fair-scheduler.ts';

export interface WebhookDispatcherParts extends OutcomeHandlerParts {
  readonly store: OutcomeHandlerParts['store'] & Pick<SubscriptionStore, 'isOverloaded'>;
  readonly settings: OutcomeHandlerParts['settings'] & { readonly requestsMax: number; readonly openEventsMax: number };
  readonly sender: Sender;
  readonly dialects: Dialects;
  readonly clock: Clock;
  readonly inFlightJournal: InFlightJournal;
  readonly quarantine: CrashQuarantine;
  readonly verification: EndpointVerification;
  /** How many times faster the clock runs than real time. */
  readonly speed: number;
  /** Total number of events written to live consumers. */
  readonly liveEvents: () => number;
  readonly logger: { warn(fields: object, message: string): void };
  /** Absent when the hub records no traces. */
  readonly deliveryTracer?: DeliveryTracer | undefined;
}

/** Buffered events for each concurrent request: enough to begin the next channel without a wait. */
const BUFFERED_PER_REQUEST = 8;
/** Most open events while every request to the endpoint fails: enough to detect its recovery. */
const FAILING_OPEN_MAX = 16;
/** Delay before a throttled consumer is served again. */
const THROTTLED_RETRY_MS = 5;
/** Delay before an overloaded store is checked again. */
const STORE_RETRY_MS = 100;
/**
 * What the owner of a subscription reads.
 * The log of the hub has the reason, which is a fault of the hub.
 */
const UNSENDABLE_DETAIL = 'The hub cannot build a request for this event. The log of the hub has the reason.';

/**
 * Sends webhooks. It serves consumers in turn and begins as many requests for each one as its
 * endpoint accepts. An endpoint is healthy if its last delivery succeeded, and unproven otherwise.
 * Unproven endpoints cannot use the capacity that the scheduler reserves for healthy ones.
 *
 * A probe is a request that tests a failing or suspended endpoint with an old event. Example: a
 * suspended endpoint gets one probe about every `settings.probeSeconds`, and the first success
 * resumes it.
 */
export class WebhookDispatcher implements Executor<WebhookConsumer> {
  readonly #parts: WebhookDispatcherParts;
  readonly #scheduler: FairScheduler<WebhookConsumer>;
  readonly #timer: DeadlineTimer<WebhookConsumer>;
  readonly #backfillThrottle: BackfillThrottle;
  readonly #outcomeHandler: OutcomeHandler;

  constructor(parts: WebhookDispatcherParts) {
    this.#parts = parts;
    this.#scheduler = new FairScheduler(parts.settings.requestsMax, (consumer, quantum) =>
      this.#serve(consumer, quantum),
    );
    this.#backfillThrottle = new BackfillThrottle({
      nowMs: () => performance.now(),
      idleMs: () => performance.eventLoopUtilization().idle,
      liveEvents: parts.liveEvents,
    });
    this.#timer = new DeadlineTimer(parts.clock, parts.speed, (consumer) => this.schedule(consumer));
    this.#outcomeHandler = new OutcomeHandler(parts);
  }

  get metrics(): WebhookMetrics {
    return this.#outcomeHandler.metrics;
  }

  get inFlight(): number {
    return this.#scheduler.inFlight;
  }

  /** Adds the consumer to the queue. `#serve` decides about its requests when its turn comes. */
  schedule(consumer: WebhookConsumer): void {
    this.#scheduler.schedule(consumer);
  }

  scheduleWoken(consumer: WebhookConsumer): void {
    this.#scheduler.scheduleWoken(consumer);
  }

  /**
   * Removes a consumer: no further request begins. Results of requests in flight no longer count.
   */
  remove(consumer: WebhookConsumer): void {
    const { quarantine, verification, checkpoints } = this.#parts;
    quarantine.remove(consumer);
    verification.forget(consumer);
    this.#timer.remove(consumer);
    checkpoints.forget(consumer);
  }

  /**
   * The endpoint of a pending subscription is verified. A subscription that was verified or resumed
   * starts with a new limiter. After a successful probe the limiter stays, and its rate rises
   * slowly. A suspended subscription sends one probe at a time, about every
   * `settings.probeSeconds`.
   */
  onStatusChanged(consumer: WebhookConsumer): void {
    const { state, reason } = consumer.status;
    if (state === 'active') this.#parts.sender.prepare();
    if (state === 'pending') this.#parts.verification.start(consumer);
    else this.#parts.verification.forget(consumer);
    if (state === 'active' && reason !== 'healed') consumer.resetLimiter();
    const { clock, random, settings } = this.#parts;
    // Somebody has looked at the endpoint.
    if (state === 'active' && reason === 'resumed') this.attemptNow(consumer);
    if (state !== 'suspended') return;
    consumer.endpoint.nextProbeMs = clock.nowMs() + withJitter(settings.probeSeconds * 1000, random.fraction());
    this.schedule(consumer);
  }

  /**
   * Events that wait for their retry become due, those of replays too. A failing endpoint starts
   * with a new limiter.
   */
  attemptNow(consumer: WebhookConsumer): void {
    const { clock, lifecycle } = this.#parts;
    if (!consumer.isHealthy) consumer.resetLimiter();
    lifecycle.clearBackoff(consumer);
    consumer.retryNow(clock.nowMs());
    for (const each of [consumer, ...consumer.replays]) this.schedule(each);
  }

  nextAttemptMs(consumer: WebhookConsumer): number | undefined {
    if (!consumer.hasTracker) return undefined;
    const { tracker, endpoint, status } = consumer;
    if (status.state === 'suspended') return endpoint.inFlight > 0 ? undefined : endpoint.nextProbeMs;
    if (!consumer.isActive || tracker.awaitingRetry === 0) return undefined;
    const { limiter } = endpoint;
    const backoffUntilMs = limiter?.backoffUntilMs ?? status.restUntilMs ?? 0;
    // At the bound of open events, one of them probes the endpoint before its time.
    const isProbed = limiter?.isFailing === true && tracker.awaitingRetry >= FAILING_OPEN_MAX;
    return isProbed ? backoffUntilMs : Math.max(tracker.nextMs, backoffUntilMs);
  }

  /** The endpoint or its limits may be others, so the limiter starts anew. */
  onRedefined(consumer: WebhookConsumer): void {
    consumer.resetLimiter();
    this.#parts.lifecycle.clearBackoff(consumer);
    this.schedule(consumer);
  }

  /** Begins no further request. Resolves when no request is in flight, or after `timeoutMs`. */
  close(timeoutMs: number): Promise<void> {
    this.#timer.close();
    return this.#scheduler.close(timeoutMs);
  }

  /** Begins the requests that the limits allow for a consumer. Returns their number. */
  #serve(consumer: WebhookConsumer, quantum: number): number {
    const { primary } = consumer;
    const { quarantine } = this.#parts;
    if (quarantine.size > 0 && quarantine.isHeld(primary)) return 0;
    const nowMs = this.#parts.clock.nowMs();
    if (primary.status.state === 'suspended') return consumer.sendsProbes ? this.#sendProbe(consumer, nowMs) : 0;
    if (!primary.isActive || consumer.settleIfQuiet()) return 0;
    const limiter = consumer.limiter(nowMs);
    const { tracker, endpoint } = consumer;
    tracker.advance(nowMs);
    const quantumMax = quarantine.size > 0 ? quarantine.allowedRequests(primary, quantum) : quantum;
    const available = this.#parts.store.isOverloaded
      ? 0
      : Math.min(quantumMax, limiter.availableSlots(endpoint.inFlight, nowMs));
    const started = available > 0 ? this.#startRequests(consumer, tracker, limiter, available, nowMs) : 0;
    if (available <= 0) consumer.readLanes();
    this.#scheduleNext(consumer, tracker, limiter, started === quantum, nowMs);
    // One event may wake thousands of consumers that have nothing to send, or that have just begun.
    if (started === 0 && consumer.isLive) consumer.releaseMemory();
    if (consumer.isNewlyDone) this.#parts.checkpoints.markDirty(consumer);
    return started;
  }

  #startRequests(
    consumer: WebhookConsumer,
    tracker: AckTracker,
    limiter: EndpointLimiter,
    available: number,
    nowMs: number,
  ): number {
    const { settings } = this.#parts;
    const { batch } = consumer.delivery;
    const bufferedMax = Math.max(limiter.concurrency * BUFFERED_PER_REQUEST, (batch?.countMax ?? 0) * 2);
    const openMax = Math.min(settings.openEventsMax, limiter.isFailing ? FAILING_OPEN_MAX : consumer.openMax);
    consumer.fill(bufferedMax, openMax);
    const startedMs = performance.now();
    // A live consumer sends immediately. A consumer that is behind yields to live consumers.
    const isBehind = !consumer.isLive;
    const allowed = isBehind ? Math.min(available, this.#backfillThrottle.availableRequests()) : available;
    let started = 0;
    while (started < allowed) {
      const lanes = batch === undefined ? asList(tracker.next()) : this.#collectBatch(consumer, tracker, batch, nowMs);
      if (lanes !== undefined) {
        this.#startRequest(consumer, tracker, lanes, nowMs);
        started++;
      } else if (!tracker.hasReady && tracker.bufferedCount >= bufferedMax && tracker.freeMemory())
        consumer.fill(bufferedMax, openMax);
      else break;
    }
    if (isBehind) this.#backfillThrottle.onStarted(started, performance.now() - startedMs);
    if (allowed < available) consumer.isThrottled = true;
    // The open events are at their bound, and none of them is due. One of them probes the endpoint.
    if (started === 0 && limiter.isFailing && consumer.endpoint.inFlight === 0 && tracker.awaitingRetry >= openMax) {
      consumer.probeLane = tracker.takeProbe();
      consumer.readLanes();
    }
    return started;
  }

  /** The lanes of the next batch, if it is full or its first event has waited for `waitMs`. */
  #collectBatch(
    consumer: WebhookConsumer,
    tracker: AckTracker,
    { countMax, waitMs }: NonNullable<WebhookDelivery['batch']>,
    nowMs: number,
  ): readonly Lane[] | undefined {
    if (!tracker.hasReady) {
      consumer.batchStartedMs = 0;
      return undefined;
    }
    if (consumer.batchStartedMs === 0) consumer.batchStartedMs = nowMs;
    if (nowMs < consumer.batchStartedMs + waitMs && tracker.countReady(countMax) < countMax) return undefined;
    consumer.batchStartedMs = 0;
    const lanes: Lane[] = [];
    for (let count = 0; count < countMax;) {
      const lane = tracker.next(countMax - count);
      if (lane === undefined) break;
      lanes.push(lane);
      count += lane.handedOutCount;
    }
    return lanes;
  }

  /** Sends the oldest event to a suspended endpoint, as a probe. Begins one request at most. */
  #sendProbe(consumer: WebhookConsumer, nowMs: number): number {
    const { endpoint } = consumer;
    if (endpoint.inFlight > 0) return 0;
    const { isOverloaded } = this.#parts.store;
    if (isOverloaded) endpoint.nextProbeMs = Math.max(endpoint.nextProbeMs, nowMs + STORE_RETRY_MS);
    if (isOverloaded || nowMs < endpoint.nextProbeMs) {
      this.#timer.set(consumer, endpoint.nextProbeMs);
      return 0;
    }
    const { tracker } = consumer;
    consumer.readLanes();
    // The event of the probe could not be read.
    if (consumer.probeLane?.phase === 'waiting') consumer.probeLane = undefined;
    let lane = tracker.next();
    if (lane === undefined && consumer.probeLane === undefined) {
      consumer.probeLane = tracker.takeProbe();
      if (consumer.probeLane === undefined) consumer.fill(1, Infinity);
      else consumer.readLanes();
      lane = tracker.next();
    }
    if (lane === undefined) return 0;
    consumer.probeLane = lane;
    this.#startRequest(consumer, tracker, [lane], nowMs);
    return 1;
  }

  /** Sets the time of the next turn, in case no response and no new event causes one earlier. */
  #scheduleNext(
    consumer: WebhookConsumer,
    tracker: AckTracker,
    limiter: EndpointLimiter,
    isQuantumUsed: boolean,
    nowMs: number,
  ): void {
    const { inFlight } = consumer.endpoint;
    if (isQuantumUsed && limiter.availableSlots(inFlight, nowMs) > 0) return this.schedule(consumer);
    const mayTake = !consumer.isLive && !consumer.isReading && !tracker.isBlockedByGap;
    const hasMore = tracker.hasReady || (mayTake && tracker.awaitingRetry < this.#parts.settings.openEventsMax);
    let nextMs = Math.max(tracker.nextMs, limiter.backoffUntilMs);
    if (hasMore) nextMs = Math.min(nextMs, limiter.nextAvailableMs(inFlight, nowMs));
    if (consumer.batchStartedMs > 0)
      nextMs = Math.min(nextMs, consumer.batchStartedMs + (consumer.delivery.batch?.waitMs ?? 0));
    // The throttle and the store send no notice when they accept work again, so this polls them.
    if (consumer.isThrottled || (hasMore && this.#parts.store.isOverloaded)) nextMs = Math.min(nextMs, nowMs);
    // The consumer could not use its turn at this moment. Another turn needs some other change
    // first.
    const retryAfterMs = consumer.isThrottled ? THROTTLED_RETRY_MS : STORE_RETRY_MS;
    consumer.isThrottled = false;
    this.#timer.set(consumer, nextMs <= nowMs ? nowMs + retryAfterMs : nextMs);
  }

  #startRequest(consumer: WebhookConsumer, tracker: AckTracker, lanes: readonly Lane[], nowMs: number): void {
    const { sender, dialects, epoch, checkpoints, inFlightJournal, deliveryTracer } = this.#parts;
    const { primary } = consumer;
    if (!lanes.every(({ channel }) => consumer.hasChannel(channel)))
      return this.#leaveOut(consumer, tracker, lanes, nowMs);
    const limiter = consumer.limiter(nowMs);
    const records = handedOutRecords(lanes);
    const { delivery } = consumer;
    const dialect = dialects.get(delivery.dialect);
    if (!dialect.reportsGaps && records.every(isGap)) {
      for (const lane of lanes) tracker.complete(lane);
      checkpoints.markDirty(consumer);
      return this.schedule(consumer);
    }
    const [first] = lanes;
    const isProbe = first === consumer.probeLane;
    consumer.probeLane = undefined;
    const assembled = assembleRequest(dialect, delivery, lanes, records, epoch, nowMs);
    if ('broken' in assembled) return this.#deadLetterUnsendable(consumer, tracker, lanes, assembled, nowMs);
    const { request, span } =
      deliveryTracer === undefined
        ? { request: assembled.request, span: undefined }
        : traceRequest(deliveryTracer, { subscription: primary.id, lanes, records, epoch }, assembled.request);
    const isUnproven = !limiter.isHealthy;
    const journalSlot = inFlightJournal.onStarted(primary.id, (records[0] as StoredRecord).position);
    const inFlightRequest: InFlightRequest = {
      consumer,
      tracker,
      lanes,
      records,
      request,
      startedMs: nowMs,
      isUnproven,
      isProbe,
      journalSlot,
      span,
    };
    consumer.endpoint.inFlight++;
    this.#scheduler.onStarted(isUnproven);
    limiter.consumeTokens(records.length);
    sender.send(request).then((sent) => this.#onCompleted(inFlightRequest, sent));
  }

  /**
   * Sends no event of a channel that the subscription no longer has: its lane becomes a dead
   * letter, or is skipped in a replay. The other lanes are sent in a separate request.
   */
  #leaveOut(consumer: WebhookConsumer, tracker: AckTracker, lanes: readonly Lane[], nowMs: number): void {
    const { deadLetters, checkpoints } = this.#parts;
    const others = lanes.filter(({ channel }) => consumer.hasChannel(channel));
    for (const lane of lanes) {
      if (others.includes(lane)) continue;
      if (lane === consumer.probeLane) consumer.probeLane = undefined;
      deadLetters.leaveOut(consumer, tracker, lane, nowMs);
    }
    if (others.length > 0) return this.#startRequest(consumer, tracker, others, nowMs);
    checkpoints.markDirty(consumer);
    this.schedule(consumer);
  }

  /**
   * Adds lanes from which no request can be made to the dead letters immediately, so that they
   * block nothing. The other lanes are sent in a separate request.
   */
  #deadLetterUnsendable(
    consumer: WebhookConsumer,
    tracker: AckTracker,
    lanes: readonly Lane[],
    { broken, error }: UnsendableLanes,
    nowMs: number,
  ): void {
    const { deadLetters, logger, checkpoints } = this.#parts;
    logger.warn(
      {
        subscription: consumer.id,
        positions: handedOutRecords(broken).map(({ position }) => position),
        error: String(error),
      },
      'webhooks: building a request failed, the event becomes a dead letter',
    );
    for (const lane of broken) deadLetters.add(consumer, tracker, lane, 'request', UNSENDABLE_DETAIL, nowMs);
    const others = lanes.filter((lane) => !broken.includes(lane));
    if (others.length > 0) return this.#startRequest(consumer, tracker, others, nowMs);
    checkpoints.markDirty(consumer);
    this.schedule(consumer);
  }

  #onCompleted(inFlightRequest: InFlightRequest, sent: SendResult): void {
    const { consumer, isUnproven, journalSlot, records } = inFlightRequest;
    const { primary, endpoint } = consumer;
    const { inFlightJournal, quarantine } = this.#parts;
    inFlightJournal.onEnded(journalSlot);
    inFlightRequest.span?.end(sent);
    if (quarantine.size > 0)
      quarantine.onCompleted(
        primary,
        records.map(({ position }) => position),
      );
    endpoint.inFlight--;
    this.#scheduler.onCompleted(isUnproven);
    this.#outcomeHandler.onCompleted(inFlightRequest, sent, this.#parts.clock.nowMs());
    // A completed request frees a slot. Other consumers of the subscription are scheduled first, so
    // that they take turns.
    if (primary !== consumer) this.schedule(primary);
    for (const replay of primary.replays) if (replay !== consumer) this.schedule(replay);
    this.schedule(consumer);
    this.#scheduler.resume();
  }
}

function asList(lane: Lane | undefined): readonly Lane[] | undefined {
  return lane === undefined ? undefined : [lane];
}
