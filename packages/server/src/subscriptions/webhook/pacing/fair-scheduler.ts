import { Queue } from '../../../core/primitives/queue.ts';

/**
 * Requests that start in one turn of the event loop. The bound leaves time for live readers, and
 * for the writes of new connections.
 */
const STARTS_PER_TURN = 32;
/** Entries visited in one turn of the event loop. */
const VISITS_PER_TURN = 256;
/** Requests that one entry starts before the next one's turn. */
const STARTS_PER_ENTRY = 16;
/** Requests of unproven entries, as a fraction of all requests. */
const UNPROVEN_FRACTION = 0.75;
/** While both kinds wait, one pick in this many is for an unproven entry. */
const UNPROVEN_TURN_INTERVAL = 4;

/** An entry that takes turns with others. */
export interface FairlyScheduled {
  /** True while its last delivery succeeded. */
  readonly isHealthy: boolean;
  /** The queue that it is in; the scheduler alone writes it. */
  queuedAs: 'healthy' | 'unproven' | undefined;
}

/**
 * Starts up to `quantum` requests of an entry and returns their number. It calls `onStarted` for
 * each, and `schedule` if the entry has more to do: the entry has left its queue.
 */
type Serve<Entry> = (entry: Entry, quantum: number) => number;

/**
 * Chooses the entry that may start requests next, within the bound on requests in flight. An entry
 * is a webhook subscription or one of its replays.
 *
 * An entry is *healthy* when its last delivery succeeded. Else it is *unproven*: it is new, or its
 * last delivery failed. So an endpoint that begins to hang is healthy until its first request
 * fails. A subscription and its replays share one health; two subscriptions with the same URL do
 * not. After a restart, a new definition or a resume it is unproven again. Healthy entries have
 * reserved room and most of the picks. Example: with 100 requests in all, up to 75 are
 * of unproven entries, and every fourth pick while both wait is one of those.
 *
 * `WebhookDispatcher.#scheduleNext` puts an entry with more work at the end. Entries that one event
 * wakes are served in about the order in which they began to wait for events. So many new
 * subscriptions do not delay the older ones. Verifications and test deliveries do not pass here.
 */
export class FairScheduler<Entry extends FairlyScheduled> {
  readonly #requestsMax: number;
  readonly #unprovenMax: number;
  readonly #serve: Serve<Entry>;
  /** Entries woken since the last turn, the newest first. */
  #woken: Entry[] = [];
  readonly #healthy = new Queue<Entry>();
  readonly #unproven = new Queue<Entry>();
  readonly #idleListeners: (() => void)[] = [];
  #inFlight = 0;
  #unprovenInFlight = 0;
  #isScheduled = false;
  #isClosed = false;
  #picks = 0;

  constructor(requestsMax: number, serve: Serve<Entry>) {
    this.#requestsMax = requestsMax;
    this.#unprovenMax = Math.max(1, Math.floor(requestsMax * UNPROVEN_FRACTION));
    this.#serve = serve;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Queues an entry. Its turn finds out if it has anything to do. */
  schedule(entry: Entry): void {
    if (!this.#markQueued(entry)) return;
    this.#queueOf(entry).push(entry);
    this.#scheduleTurn();
  }

  /**
   * Like `schedule`, for entries that an event wakes. They are woken from the newest to the
   * oldest.
   */
  scheduleWoken(entry: Entry): void {
    if (!this.#markQueued(entry)) return;
    this.#woken.push(entry);
    this.#scheduleTurn();
  }

  /**
   * A request has started. `onCompleted` must get the same `isUnproven`,
   * whatever the entry's health is then.
   */
  onStarted(isUnproven: boolean): void {
    this.#inFlight++;
    if (isUnproven) this.#unprovenInFlight++;
  }

  onCompleted(isUnproven: boolean): void {
    this.#inFlight--;
    if (isUnproven) this.#unprovenInFlight--;
  }

  /** Call it after `onCompleted`. It starts a new turn if entries wait. */
  resume(): void {
    if (this.#hasQueued) this.#scheduleTurn();
    if (this.#inFlight === 0) for (const settled of this.#idleListeners.splice(0)) settled();
  }

  /** Starts no more requests. Resolves when none is in flight, or after `timeoutMs`. */
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

  /** False when it is in the right queue already. */
  #markQueued(entry: Entry): boolean {
    const { isHealthy, queuedAs } = entry;
    // An entry that was queued as unproven moves to the healthy queue once it is healthy.
    if (this.#isClosed || queuedAs === 'healthy' || (queuedAs === 'unproven' && !isHealthy)) return false;
    entry.queuedAs = isHealthy ? 'healthy' : 'unproven';
    return true;
  }

  #queueOf({ queuedAs }: Entry): Queue<Entry> {
    return queuedAs === 'healthy' ? this.#healthy : this.#unproven;
  }

  #enqueueWoken(): void {
    const woken = this.#woken;
    if (woken.length === 0) return;
    this.#woken = [];
    for (let entry = woken.pop(); entry !== undefined; entry = woken.pop()) this.#queueOf(entry).push(entry);
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
    let left = STARTS_PER_TURN;
    for (let looked = 0; left > 0 && looked < VISITS_PER_TURN; looked++) {
      const entry = this.#next();
      if (entry === undefined) return;
      // It was queued twice, because its health had changed, and it has been served already.
      if (entry.queuedAs === undefined) continue;
      entry.queuedAs = undefined;
      const room = this.#roomFor(entry);
      if (room > 0) left -= this.#serve(entry, Math.min(left, STARTS_PER_ENTRY, room));
      else this.#queueAgain(entry);
    }
    if (!this.#isClosed && this.#hasQueued) this.#scheduleTurn();
  };

  /** The number of requests that an entry may start. */
  #roomFor({ isHealthy }: Entry): number {
    const room = this.#requestsMax - this.#inFlight;
    return isHealthy ? room : Math.min(room, this.#unprovenMax - this.#unprovenInFlight);
  }

  /** An entry of the healthy queue has failed since, and the room of unproven ones is taken. */
  #queueAgain(entry: Entry): void {
    entry.queuedAs = 'unproven';
    this.#unproven.push(entry);
  }

  /** The next entry that may start requests; most picks are healthy ones. */
  #next(): Entry | undefined {
    if (this.#isClosed || this.#inFlight >= this.#requestsMax) return undefined;
    const mayServeUnproven = this.#unproven.length > 0 && this.#unprovenInFlight < this.#unprovenMax;
    if (mayServeUnproven && (this.#healthy.length === 0 || ++this.#picks % UNPROVEN_TURN_INTERVAL === 0))
      return this.#unproven.shift();
    return this.#healthy.shift();
  }
}
