import type { Clock, Random } from '../../core/ports.ts';
import type { SubscriptionStore } from '../state/ports.ts';
import type { SubscriptionSettings } from '../state/settings.ts';
import { transition, type LifecycleInput, type LifecycleStep } from '../state/lifecycle.ts';
import type { DurableConsumer } from './durable-consumer.ts';
import type { CheckpointScheduler } from './checkpoint-scheduler.ts';
import type { LifecycleEvent, PublishLifecycleEvent } from './lifecycle-events.ts';

export interface LifecycleParts {
  readonly store: SubscriptionStore;
  readonly checkpoints: CheckpointScheduler;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SubscriptionSettings;
  readonly publishLifecycleEvent: PublishLifecycleEvent;
  /** A line begins or ceases to be at work. */
  readonly onStatusChanged: (consumer: DurableConsumer) => void;
}

/** Which news a state is, where it is any. */
const EVENT_OF_REASON: Readonly<Partial<Record<string, LifecycleEvent>>> = {
  verified: 'verified',
  failing: 'suspended',
  healed: 'resumed',
  resumed: 'resumed',
  gone: 'ended',
  refused: 'ended',
  lease_over: 'ended',
};

/** Fewer failures than this say nothing, however long ago the first one was. */
const SUSPEND_FAILURES_MIN = 5;

/** Moves subscriptions from state to state by the table, has it written down and told. */
export class Lifecycle {
  readonly #parts: LifecycleParts;
  /** Of those that fail: how often, and whether it has been told. */
  readonly #failing = new Map<DurableConsumer, { count: number; isPublished: boolean }>();

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** Takes the step that the table says; what is `conflict`, `asks` or `stays` changes nothing. */
  apply(consumer: DurableConsumer, input: LifecycleInput): LifecycleStep {
    const step = transition(consumer.status.state, input);
    if (typeof step === 'string') return step;
    const { clock, store, checkpoints, publishLifecycleEvent, onStatusChanged } = this.#parts;
    const previous = consumer.status;
    consumer.status = { ...previous, ...step, sinceMs: clock.nowMs() };
    if (step.state === 'active') {
      consumer.status = { ...consumer.status, failingSinceMs: undefined, restUntilMs: undefined };
      // Somebody says that it is well: it is believed. What is back by itself is still taken with care.
      if (step.reason !== 'healed') consumer.limiter = undefined;
    }
    this.#failing.delete(consumer);
    onStatusChanged(consumer);
    store.enqueue(checkpoints.checkpoint(consumer));
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

  /** Nothing but failures since `standing.failingSinceMs`; to be called for each of them. */
  onFailure(consumer: DurableConsumer): void {
    const { failingSinceMs, state } = consumer.status;
    if (failingSinceMs === undefined || state !== 'active') return;
    let failing = this.#failing.get(consumer);
    if (failing === undefined) this.#failing.set(consumer, (failing = { count: 0, isPublished: false }));
    failing.count++;
    if (failing.count < SUSPEND_FAILURES_MIN) return;
    const { settings, clock, publishLifecycleEvent } = this.#parts;
    const durationMs = clock.nowMs() - failingSinceMs;
    if (durationMs >= settings.suspendAfterSeconds * 1000) {
      this.apply(consumer, 'all_failing');
      return;
    }
    if (failing.isPublished || durationMs < settings.failingNoticeSeconds * 1000) return;
    failing.isPublished = true;
    publishLifecycleEvent(consumer.id, 'failing', {
      failingSince: new Date(failingSinceMs).toISOString(),
      suspendedAt: new Date(failingSinceMs + settings.suspendAfterSeconds * 1000).toISOString(),
    });
  }

  onSuccess(consumer: DurableConsumer): void {
    if (this.#failing.size > 0) this.#failing.delete(consumer);
    if (consumer.status.state === 'suspended') this.apply(consumer, 'probe_succeeded');
  }

  onGone(consumer: DurableConsumer): void {
    this.apply(consumer, 'gone');
  }

  forget(consumer: DurableConsumer): void {
    this.#failing.delete(consumer);
  }
}
