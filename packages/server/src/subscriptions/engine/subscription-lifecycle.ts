import type { Clock, Random } from '../../core/ports.ts';
import type { StatusReason } from '../state/definition.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import { transition, type LifecycleInput, type LifecycleStep } from '../state/lifecycle.ts';
import type { DurableConsumer } from './durable-consumer.ts';
import type { CheckpointScheduler } from './checkpoint-scheduler.ts';
import type { LifecycleEvent, PublishLifecycleEvent } from './lifecycle-events.ts';

export interface LifecycleParts {
  readonly store: Pick<SubscriptionStore, 'enqueue'>;
  readonly checkpoints: CheckpointScheduler;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: { readonly failingNoticeSeconds: number; readonly suspendAfterSeconds: number };
  readonly publishLifecycleEvent: PublishLifecycleEvent;
  /** A consumer starts or stops its work. */
  readonly onStatusChanged: (consumer: DurableConsumer) => void;
}

/** The lifecycle event of each reason, where it has one. */
const EVENT_OF_REASON: Readonly<Record<StatusReason, LifecycleEvent | undefined>> = {
  created: undefined,
  verified: 'verified',
  refused: 'ended',
  moved: undefined,
  paused: undefined,
  resumed: 'resumed',
  failing: 'suspended',
  healed: 'resumed',
  gone: 'ended',
  lease_over: 'ended',
  removed: undefined,
};

/** Fewer failures than this cause no suspension, whatever time has passed since the first one. */
const SUSPEND_FAILURES_MIN = 5;

/**
 * Applies the lifecycle table to subscriptions. It stores and announces each change of state. It
 * alone replaces the status of a subscription; a consumer itself changes only how far it is.
 */
export class Lifecycle {
  readonly #parts: LifecycleParts;
  /**
   * For each failing subscription: number of failures, and whether `failing` has been announced.
   */
  readonly #failing = new Map<DurableConsumer, { count: number; isPublished: boolean }>();

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** Applies one step of the table. `conflict`, `verify` and `no_change` change nothing. */
  apply(consumer: DurableConsumer, input: LifecycleInput): LifecycleStep {
    const step = transition(consumer.status.state, input);
    if (typeof step === 'string') return step;
    const { clock, store, publishLifecycleEvent, onStatusChanged } = this.#parts;
    const previous = consumer.status;
    const status = { ...previous, ...step, sinceMs: clock.nowMs() };
    consumer.replaceStatus(
      step.state === 'active' ? { ...status, failingSinceMs: undefined, restUntilMs: undefined } : status,
    );
    this.#failing.delete(consumer);
    onStatusChanged(consumer);
    store.enqueue(consumer.checkpoint());
    const event = EVENT_OF_REASON[step.reason];
    if (event !== undefined)
      publishLifecycleEvent(consumer.id, event, {
        state: step.state,
        reason: step.reason,
        ...(previous.failingSinceMs === undefined
          ? {}
          : { failingSince: new Date(previous.failingSinceMs).toISOString() }),
      });
    return step;
  }

  /** A delivery that began at `startedMs` has failed. Returns since when every delivery fails. */
  markFailing(consumer: DurableConsumer, startedMs: number): number {
    const { status } = consumer;
    if (status.failingSinceMs === undefined) consumer.replaceStatus({ ...status, failingSinceMs: startedMs });
    return status.failingSinceMs ?? startedMs;
  }

  /** Called for each failure, after `markFailing`: announces the failures, or suspends. */
  onFailure(consumer: DurableConsumer): void {
    const { failingSinceMs, state } = consumer.status;
    if (failingSinceMs === undefined || state !== 'active') return;
    let failing = this.#failing.get(consumer);
    if (failing === undefined) this.#failing.set(consumer, (failing = { count: 0, isPublished: false }));
    failing.count++;
    if (failing.count < SUSPEND_FAILURES_MIN) return;
    const { settings, clock, publishLifecycleEvent } = this.#parts;
    const durationMs = clock.nowMs() - failingSinceMs;
    // Both may be due at once, after a time without an attempt.
    if (!failing.isPublished && durationMs >= settings.failingNoticeSeconds * 1000) {
      failing.isPublished = true;
      publishLifecycleEvent(consumer.id, 'failing', {
        failingSince: new Date(failingSinceMs).toISOString(),
        suspendedAt: new Date(failingSinceMs + settings.suspendAfterSeconds * 1000).toISOString(),
      });
    }
    if (durationMs >= settings.suspendAfterSeconds * 1000) this.apply(consumer, 'all_failing');
  }

  /** A delivery has succeeded. A suspended subscription becomes active again. */
  onSuccess(consumer: DurableConsumer): void {
    const { status } = consumer;
    if (status.failingSinceMs === undefined) return;
    consumer.replaceStatus({ ...status, failingSinceMs: undefined });
    if (this.#failing.size > 0) this.#failing.delete(consumer);
    if (status.state === 'suspended') this.apply(consumer, 'probe_succeeded');
  }

  /** Sends nothing to the endpoint until `untilMs`, also after a restart of the hub. */
  backOff(consumer: DurableConsumer, untilMs: number): void {
    if (untilMs > (consumer.status.restUntilMs ?? 0)) this.#setBackoff(consumer, untilMs);
  }

  /** The endpoint or its limits may be others, so its request for a pause no longer counts. */
  clearBackoff(consumer: DurableConsumer): void {
    if (consumer.status.restUntilMs !== undefined) this.#setBackoff(consumer, undefined);
  }

  onGone(consumer: DurableConsumer): void {
    this.apply(consumer, 'gone');
  }

  forget(consumer: DurableConsumer): void {
    this.#failing.delete(consumer);
  }

  #setBackoff(consumer: DurableConsumer, restUntilMs: number | undefined): void {
    consumer.replaceStatus({ ...consumer.status, restUntilMs });
    this.#parts.checkpoints.markDirty(consumer);
  }
}
