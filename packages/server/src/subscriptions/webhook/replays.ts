import { randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { Replay, ReplayRequest } from '../state/ports.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import type { DurableConsumer, DurableConsumerParts } from '../engine/durable-consumer.ts';
import type { Executor } from '../engine/executor.ts';
import { ReplayConsumer } from './replay-consumer.ts';
import type { WebhookConsumer } from './webhook-consumer.ts';

export interface ReplaysParts {
  readonly consumerParts: DurableConsumerParts;
  readonly executor: Executor<WebhookConsumer>;
  readonly store: Pick<SubscriptionStore, 'write'>;
}

/** Replays of one subscription that are not done, at most. */
const REPLAYS_MAX = 8;
const DONE_SHOWN_MAX = 20;

/**
 * Replays deliver past events of the log again, beside the live deliveries (PROTOCOL.md section
 * 14.4). Each replay is a consumer of its own.
 *
 * Example: a subscription is at position 100. A replay after 40 delivers its matching events from
 * 41 through 100 again. The live deliveries continue with 101.
 */
export class Replays {
  readonly #parts: ReplaysParts;
  readonly #consumers = new Map<DurableConsumer, ReplayConsumer[]>();
  /** Number of replays that are being written; they count towards the limit. */
  readonly #beginning = new Map<WebhookConsumer, number>();

  constructor(parts: ReplaysParts) {
    this.#parts = parts;
  }

  /** Continues the replays that were not done. */
  restore(consumer: WebhookConsumer, replays: readonly Replay[]): void {
    for (const replay of replays) this.#add(consumer, replay);
  }

  /** @throws PolycastError `overloaded`, and errors of the store */
  async start(consumer: WebhookConsumer, { after, channel, lost }: ReplayRequest): Promise<Replay> {
    const inProgress = this.list(consumer).filter(({ isDone }) => !isDone);
    if (inProgress.length + (this.#beginning.get(consumer) ?? 0) >= REPLAYS_MAX)
      throw new PolycastError('overloaded', `${REPLAYS_MAX} replays of the subscription are in progress.`, {
        retryAfterMs: 60_000,
      });
    // The live deliveries send every event after this position.
    const through = consumer.position;
    const id = `rpl_${randomBytes(9).toString('hex')}`;
    const isDone = after >= through && lost === undefined;
    const replay: Replay = { id, after, channel, lost, through, reached: Math.min(after, through), isDone };
    if (!replay.isDone) {
      this.#takePlace(consumer, 1);
      try {
        await this.#parts.store.write([{ kind: 'replay', subscription: consumer.id, replay }]);
      } finally {
        this.#takePlace(consumer, -1);
      }
    }
    const replayConsumer = this.#add(consumer, replay);
    if (!replay.isDone) replayConsumer.schedule();
    return replay;
  }

  /** Of all subscriptions. */
  *all(): Generator<ReplayConsumer> {
    for (const consumers of this.#consumers.values()) yield* consumers;
  }

  /** The newest is the last. */
  list(consumer: DurableConsumer): readonly Replay[] {
    return (this.#consumers.get(consumer) ?? []).map(({ replay }) => replay);
  }

  /** Schedules the replays of a subscription. */
  schedule(consumer: DurableConsumer): void {
    for (const replay of this.#consumers.get(consumer) ?? []) replay.schedule();
  }

  forget(consumer: DurableConsumer): void {
    for (const replay of this.#consumers.get(consumer) ?? []) this.#parts.executor.remove(replay);
    this.#consumers.delete(consumer);
  }

  #takePlace(consumer: WebhookConsumer, count: 1 | -1): void {
    const taken = (this.#beginning.get(consumer) ?? 0) + count;
    if (taken === 0) this.#beginning.delete(consumer);
    else this.#beginning.set(consumer, taken);
  }

  #add(consumer: WebhookConsumer, replay: Replay): ReplayConsumer {
    const { consumerParts, executor } = this.#parts;
    const replayConsumer = new ReplayConsumer(consumerParts, consumer, replay, executor);
    const consumers = this.#consumers.get(consumer) ?? [];
    const inProgress = [...consumers.filter(isInProgress), replayConsumer];
    const done = consumers.filter((each) => !isInProgress(each));
    this.#consumers.set(consumer, [...done.slice(1 - DONE_SHOWN_MAX), ...inProgress]);
    consumer.endpoint.replays = inProgress;
    return replayConsumer;
  }
}

function isInProgress({ replay }: ReplayConsumer): boolean {
  return !replay.isDone;
}
