import { Queue } from '../../core/primitives/queue.ts';
import type { DurableConsumer } from './durable-consumer.ts';

/** Requests begun in one turn of the event loop, so that those who are live have theirs, and what has been connected is written. */
const SENDS_PER_TURN = 32;
/** Lines looked at in one. */
const CONSUMERS_PER_TURN = 256;
/** Requests that one line begins before it is another's turn. */
const QUANTUM = 16;
/** Requests to endpoints of which nothing good is known yet, or any more, as a part of all. */
const UNPROVEN_FRACTION = 0.75;
/** While others wait as well, one turn in so many is for one of those. */
const UNPROVEN_TURN_INTERVAL = 4;

/** Who begins requests: at most so many for a line; says how many there were. */
type Serve = (consumer: DurableConsumer, quantum: number) => number;

/**
 * Whose turn it is, within the bound on requests under way. Those that are known to go well have room kept for them, and most of the
 * turns; of those that one event wakes, who has been there for longest comes first, so that nobody gets ahead of others by making many
 * subscriptions.
 */
export class FairScheduler {
  readonly #requestsMax: number;
  readonly #unprovenMax: number;
  readonly #serve: Serve;
  /** Woken since the last turn, the newest first. */
  #woken: DurableConsumer[] = [];
  readonly #healthy = new Queue<DurableConsumer>();
  readonly #unproven = new Queue<DurableConsumer>();
  readonly #idleListeners: (() => void)[] = [];
  #inFlight = 0;
  #unprovenInFlight = 0;
  #isScheduled = false;
  #isClosed = false;
  #picks = 0;

  constructor(requestsMax: number, serve: Serve) {
    this.#requestsMax = requestsMax;
    this.#unprovenMax = Math.max(1, Math.floor(requestsMax * UNPROVEN_FRACTION));
    this.#serve = serve;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Puts it on the list; what is to be done for it is found out when its turn comes. */
  schedule(consumer: DurableConsumer): void {
    if (!this.#markQueued(consumer)) return;
    this.#queueOf(consumer).push(consumer);
    this.#scheduleTurn();
  }

  /** As `ready`, for one of those that an event wakes, who are woken from the newest to the oldest. */
  scheduleWoken(consumer: DurableConsumer): void {
    if (!this.#markQueued(consumer)) return;
    this.#woken.push(consumer);
    this.#scheduleTurn();
  }

  /** A request was begun; `isDoubtful` as it is then, and as it has to be said when it has landed. */
  onStarted(isUnproven: boolean): void {
    this.#inFlight++;
    if (isUnproven) this.#unprovenInFlight++;
  }

  onCompleted(isUnproven: boolean): void {
    this.#inFlight--;
    if (isUnproven) this.#unprovenInFlight--;
  }

  /** What has landed has been dealt with: others may have its room. */
  resume(): void {
    if (this.#hasQueued) this.#scheduleTurn();
    if (this.#inFlight === 0) for (const settled of this.#idleListeners.splice(0)) settled();
  }

  /** Begins nothing more; resolves when nothing is under way, or when the time is over. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#idleListeners.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** False where it stands on the right list already. */
  #markQueued(consumer: DurableConsumer): boolean {
    const isHealthy = consumer.primary.limiter?.isHealthy === true;
    // What was listed before anything good was known of it need not wait with those any longer.
    if (this.#isClosed || (consumer.isQueued && (consumer.isQueuedHealthy || !isHealthy))) return false;
    consumer.isQueued = true;
    consumer.isQueuedHealthy = isHealthy;
    return true;
  }

  #queueOf({ isQueuedHealthy }: DurableConsumer): Queue<DurableConsumer> {
    return isQueuedHealthy ? this.#healthy : this.#unproven;
  }

  #enqueueWoken(): void {
    const woken = this.#woken;
    if (woken.length === 0) return;
    this.#woken = [];
    for (let consumer = woken.pop(); consumer !== undefined; consumer = woken.pop())
      this.#queueOf(consumer).push(consumer);
  }

  get #hasQueued(): boolean {
    return this.#woken.length > 0 || this.#healthy.length > 0 || this.#unproven.length > 0;
  }

  #scheduleTurn(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#runTurn);
  }

  readonly #runTurn = (): void => {
    this.#isScheduled = false;
    this.#enqueueWoken();
    let left = SENDS_PER_TURN;
    for (let looked = 0; left > 0 && looked < CONSUMERS_PER_TURN; looked++) {
      const consumer = this.#next();
      if (consumer === undefined) return;
      // It stood on both lists, and has had its turn.
      if (!consumer.isQueued) continue;
      consumer.isQueued = false;
      left -= this.#serve(consumer, Math.min(left, QUANTUM, this.#requestsMax - this.#inFlight));
    }
    if (!this.#isClosed && this.#hasQueued) this.#scheduleTurn();
  };

  /** The next line that may begin something; most turns are for those that are known to go well. */
  #next(): DurableConsumer | undefined {
    if (this.#isClosed || this.#inFlight >= this.#requestsMax) return undefined;
    const mayServeUnproven = this.#unproven.length > 0 && this.#unprovenInFlight < this.#unprovenMax;
    if (mayServeUnproven && (this.#healthy.length === 0 || ++this.#picks % UNPROVEN_TURN_INTERVAL === 0))
      return this.#unproven.shift();
    return this.#healthy.shift();
  }
}
