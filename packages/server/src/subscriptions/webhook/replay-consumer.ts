import type { Position } from '../../core/ports.ts';
import { AckTracker } from '../state/lanes/ack-tracker.ts';
import type { Ordering, WebhookDelivery } from '../state/definition.ts';
import type { Replay } from '../state/ports.ts';
import type { StoreChange } from '../state/subscription-store.ts';
import type { DurableConsumerParts } from '../engine/durable-consumer.ts';
import type { Executor } from '../engine/executor.ts';
import { WebhookConsumer } from './webhook-consumer.ts';

/** Most open events of a replay. They are in memory only. */
const OPEN_MAX = 256;

/**
 * A replay: a second consumer of a webhook, which delivers past events once more, beside the live
 * deliveries (PROTOCOL.md section 14.4). It ends at a position, and shares the endpoint of its
 * primary. The store has its position, but no row for an open event. After a restart it continues
 * from before the first open event.
 */
export class ReplayConsumer extends WebhookConsumer {
  readonly #primary: WebhookConsumer;
  #replay: Replay;

  constructor(
    parts: DurableConsumerParts,
    primary: WebhookConsumer,
    replay: Replay,
    executor: Executor<WebhookConsumer>,
  ) {
    const { definition } = primary;
    const { channel, reached, lost, through } = replay;
    super(
      parts,
      channel === undefined ? definition : { ...definition, channels: [channel] },
      { status: { ...primary.status, cursor: reached, lost }, open: [], deadLetters: 0 },
      executor,
      through,
    );
    this.#primary = primary;
    this.#replay = replay;
  }

  get replay(): Replay {
    return this.#replay;
  }

  override get primary(): WebhookConsumer {
    return this.#primary;
  }

  /**
   * That of the subscription, so that a change of the URL or the secret holds for the replay too.
   */
  override get delivery(): WebhookDelivery {
    return this.#primary.delivery;
  }

  override get openMax(): number {
    return OPEN_MAX;
  }

  override get sendsProbes(): boolean {
    return false;
  }

  /** It may reach its end without a response to wait for. */
  override get isNewlyDone(): boolean {
    return !this.#replay.isDone && this.#isDone;
  }

  override get needsCheckpoint(): boolean {
    return false;
  }

  override settleIfQuiet(): boolean {
    return false;
  }

  override hasChannel(channel: string): boolean {
    return this.#primary.hasChannel(channel);
  }

  override checkpoint(): StoreChange[] {
    const changes: StoreChange[] = [];
    const cursor = this.checkpointOpenEvents(changes);
    const { id: subscription, status } = this;
    const { id, through } = this.#replay;
    const isDone = this.#isDone;
    const replay = { ...this.#replay, lost: status.lost, reached: Math.min(cursor, through), isDone };
    this.#replay = replay;
    changes.push(isDone ? { kind: 'replay_gone', subscription, id } : { kind: 'replay', subscription, replay });
    return changes;
  }

  protected override createTracker(ordering: Ordering, position: Position): AckTracker {
    return new AckTracker(ordering, position, false);
  }

  get #isDone(): boolean {
    return this.hasReachedEnd && (!this.hasTracker || this.tracker.lanes.size === 0);
  }
}
