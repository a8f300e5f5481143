import { encodeCursor, PolycastError, type Gap } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import { Semaphore } from '../../core/primitives/semaphore.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { DeadLetter, EventPosition } from '../state/ports.ts';
import type { StoreChange, SubscriptionStore } from '../state/subscription-store.ts';
import type { AckTracker } from '../state/lanes/ack-tracker.ts';
import { InForceError } from './durable-operations.ts';
import { gapOf } from './gap.ts';
import type { DurableConsumer } from './durable-consumer.ts';
import type { PublishLifecycleEvent } from './lifecycle-events.ts';

export interface DeadLettersParts {
  /** Epoch of the present log. */
  readonly epoch: string;
  readonly store: Pick<SubscriptionStore, 'write' | 'enqueue' | 'deadLetters'>;
  /** Whether any of these events was erased lately. */
  readonly hasErased: (events: readonly { readonly position: Position }[]) => boolean;
  readonly settings: { readonly deadLettersKept: number; readonly openEventsMax: number };
  readonly publishLifecycleEvent: PublishLifecycleEvent;
  readonly logger: { warn(fields: object, message: string): void };
}

const CHANNEL_REMOVED = 'The subscription no longer has its channel.';
/** Time until the gap in place of an event that was erased while it was handed out. */
const ERASED_RETRY_MS = 1000;
/** Dead letters read in one page. */
const PAGE_COUNT = 500;

/**
 * Dead letters: events that could not be delivered after the last attempt. They are stored and
 * announced. A client can retry or discard them.
 */
export class DeadLetters {
  readonly #parts: DeadLettersParts;
  readonly #trimming = new Set<DurableConsumer>();
  /**
   * One removal of a consumer reads and removes its rows at a time, so each row is counted once.
   */
  readonly #removals = new WeakMap<DurableConsumer, Semaphore>();
  #addedCount = 0;

  constructor(parts: DeadLettersParts) {
    this.#parts = parts;
  }

  /** Dead letters since the start of the hub. */
  get addedCount(): number {
    return this.#addedCount;
  }

  /**
   * Makes the head of a lane a dead letter: it has failed too often, or can never be sent. An event
   * that was erased meanwhile becomes none: its lane reads the log again, and finds a gap.
   */
  add(
    consumer: DurableConsumer,
    tracker: AckTracker,
    lane: Lane,
    outcome: DeadLetter['outcome'],
    detail: string,
    nowMs: number,
  ): void {
    if (this.#isErased(lane)) return tracker.retryUncounted(lane, nowMs + ERASED_RETRY_MS);
    const { epoch, store, publishLifecycleEvent } = this.#parts;
    const { primary } = consumer;
    const { position, channel, attempts } = lane;
    const gap = headGapOf(lane);
    lane.narrow(1);
    tracker.complete(lane);
    // A lost event becomes no dead letter. Its undelivered gap is announced instead.
    if (gap !== undefined) return publishLifecycleEvent(primary.id, 'dead-gap', { gap, channel, attempts, outcome });
    primary.deadLetterCount++;
    this.#addedCount++;
    const deadLetter = { epoch, position, channel, attempts, sinceMs: nowMs, outcome, detail };
    store.enqueue([
      { kind: 'dead_letter', deadLetter: { subscription: primary.id, ...deadLetter } },
      ...consumer.checkpoint(),
    ]);
    publishLifecycleEvent(primary.id, 'dead-letter', {
      event: encodeCursor(epoch, position),
      channel,
      attempts,
      outcome,
    });
    void this.#trim(primary);
  }

  /**
   * The head is of a channel that the subscription no longer has, so it is not sent. It becomes a
   * dead letter. An erased event does not, and one of a replay was delivered before.
   */
  leaveOut(consumer: DurableConsumer, tracker: AckTracker, lane: Lane, nowMs: number): void {
    // `next` counted an attempt, but no request is sent.
    lane.attempts--;
    if (consumer === consumer.primary && !this.#isErased(lane))
      return this.add(consumer, tracker, lane, 'channel_removed', CHANNEL_REMOVED, nowMs);
    if (consumer === consumer.primary) lane.narrow(1);
    tracker.complete(lane);
  }

  /**
   * Delivers dead letters again, beside new events: the one of `event`, or as many as may be open.
   * Returns their number. Dead letters of a lost log stay: their positions have other events or
   * none. Dead letters of removed channels stay too: the request is not authorized for those
   * channels.
   * @throws PolycastError `not_found` when `event` is one of these. `InForceError` if the store
   * refuses the change: the events are delivered again all the same
   */
  async retry(consumer: DurableConsumer, event: EventPosition | undefined): Promise<number> {
    const { epoch } = this.#parts;
    if (event !== undefined && event.epoch !== epoch)
      throw new PolycastError('not_found', 'Its log no longer exists, so it can be discarded but not retried.');
    return this.#alone(consumer, () => this.#retry(consumer, event));
  }

  async #retry(consumer: DurableConsumer, event: EventPosition | undefined): Promise<number> {
    const { epoch } = this.#parts;
    if (event !== undefined) {
      const deadLetters = await this.#find(consumer, event);
      if (deadLetters.some(({ channel }) => !consumer.hasChannel(channel)))
        throw new PolycastError('not_found', `${CHANNEL_REMOVED} The event can be discarded but not retried.`);
      return this.#redeliver(consumer, deadLetters);
    }
    let retried = 0;
    for (let after: EventPosition = { epoch, position: 0 }; ;) {
      const available = this.#availableOf(consumer);
      const page = available > 0 ? await this.#page(consumer, after, Math.min(PAGE_COUNT, available)) : [];
      const deadLetters = page.filter((deadLetter) => deadLetter.epoch === epoch);
      const last = deadLetters.at(-1);
      if (last === undefined) return retried;
      retried += await this.#redeliver(consumer, deadLetters);
      after = last;
    }
  }

  async discard(consumer: DurableConsumer, event: EventPosition | undefined): Promise<number> {
    if (event !== undefined)
      return this.#alone(consumer, async () => this.#remove(consumer, await this.#find(consumer, event)));
    return this.discardWhere(consumer, () => true);
  }

  /** Discards some of the dead letters. Returns their number. */
  discardWhere(consumer: DurableConsumer, predicate: (deadLetter: DeadLetter) => boolean): Promise<number> {
    return this.#alone(consumer, () => this.#discardWhere(consumer, predicate));
  }

  async #discardWhere(consumer: DurableConsumer, predicate: (deadLetter: DeadLetter) => boolean): Promise<number> {
    let discarded = 0;
    for (let after: EventPosition | undefined; ;) {
      const page = await this.#page(consumer, after, PAGE_COUNT);
      if (page.length === 0) return discarded;
      discarded += await this.#remove(consumer, page.filter(predicate));
      after = page.at(-1);
    }
  }

  /** Deletes the oldest dead letters beyond the limit. */
  async #trim(consumer: DurableConsumer): Promise<void> {
    const { settings, logger } = this.#parts;
    // In pages, and one deletion at a time for each consumer.
    const excess = consumer.deadLetterCount - settings.deadLettersKept;
    if (excess < Math.min(PAGE_COUNT, settings.deadLettersKept / 10) || this.#trimming.has(consumer)) return;
    this.#trimming.add(consumer);
    try {
      await this.#alone(consumer, async () => {
        const count = consumer.deadLetterCount - settings.deadLettersKept;
        if (count > 0) await this.#remove(consumer, await this.#page(consumer, undefined, count));
      });
    } catch (error) {
      logger.warn({ subscription: consumer.id, error: String(error) }, 'dead letters: removal of the oldest failed');
    } finally {
      this.#trimming.delete(consumer);
    }
  }

  /** A gap may have the position of an erased event. */
  #isErased(lane: Lane): boolean {
    return headGapOf(lane) === undefined && this.#parts.hasErased([lane]);
  }

  /** Number of dead letters that may be opened now. */
  #availableOf({ tracker }: DurableConsumer): number {
    return this.#parts.settings.openEventsMax - tracker.awaitingRetry - tracker.inFlight - tracker.lanes.countAside();
  }

  #page(consumer: DurableConsumer, after: EventPosition | undefined, limit: number): Promise<readonly DeadLetter[]> {
    return this.#parts.store.deadLetters(consumer.id, { after, limit });
  }

  /** The dead letter of one event, if there is one. */
  async #find(consumer: DurableConsumer, { epoch, position }: EventPosition): Promise<readonly DeadLetter[]> {
    const deadLetters = await this.#page(consumer, { epoch, position: position - 1 }, 1);
    return deadLetters.filter((deadLetter) => deadLetter.epoch === epoch && deadLetter.position === position);
  }

  async #redeliver(consumer: DurableConsumer, deadLetters: readonly DeadLetter[]): Promise<number> {
    // Other dead letters may have been retried, and the channels changed, during the read.
    let available = this.#availableOf(consumer);
    const reopened = deadLetters.filter(({ channel, position }) => {
      const isTaken = available > 0 && consumer.hasChannel(channel) && consumer.tracker.enqueueAside(channel, position);
      if (isTaken) available--;
      return isTaken;
    });
    try {
      return await this.#remove(consumer, reopened);
    } catch (error) {
      // The events are delivered again. So their rows are removed as soon as the store accepts it.
      consumer.deadLetterCount = Math.max(0, consumer.deadLetterCount - reopened.length);
      this.#parts.store.enqueue(reopened.map(goneChange));
      throw error instanceof PolycastError ? new InForceError(error) : error;
    } finally {
      consumer.schedule();
    }
  }

  #alone<Result>(consumer: DurableConsumer, removal: () => Promise<Result>): Promise<Result> {
    let semaphore = this.#removals.get(consumer);
    if (semaphore === undefined) this.#removals.set(consumer, (semaphore = new Semaphore(1)));
    return semaphore.run(removal);
  }

  /**
   * Removes the rows together with a checkpoint of the retried events, so that a crash loses
   * neither. The store repeats the checkpoint if it refuses the removal.
   */
  async #remove(consumer: DurableConsumer, deadLetters: readonly DeadLetter[]): Promise<number> {
    if (deadLetters.length === 0) return 0;
    const { store } = this.#parts;
    store.enqueue(consumer.checkpoint());
    await store.write(deadLetters.map(goneChange));
    consumer.deadLetterCount = Math.max(0, consumer.deadLetterCount - deadLetters.length);
    return deadLetters.length;
  }
}

/** The gap that is the head of a lane. */
function headGapOf({ record, leasedGap }: Lane): Gap | undefined {
  return record === undefined ? leasedGap : gapOf(record);
}

function goneChange({ subscription, epoch, position }: DeadLetter): StoreChange {
  return { kind: 'dead_letter_gone', subscription, epoch, position };
}
