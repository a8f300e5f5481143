import { PolycastError } from '@polycast/protocol';
import type { Clock, Position, Random } from '../../core/ports.ts';
import type { PullDelivery } from '../../core/subscription/definition.ts';
import type { Lane } from '../../core/subscription/lane.ts';
import type {
  LeasedEvent,
  LeaseOutcome,
  PullDesk,
  PullWish,
  SubscriptionStore,
} from '../../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../../core/subscription/settings.ts';
import { Alarm } from '../alarm.ts';
import type { DeadLetters } from '../dead-letters.ts';
import type { Line, LineOwner } from '../line.ts';
import type { Notes } from '../notes.ts';
import { PullQueue, type Waiter } from './pull-queue.ts';

export interface PullsParts {
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly clock: Clock;
  readonly random: Random;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  readonly settings: SubscriptionSettings;
  /** The line of an id; `undefined`: there is none. */
  readonly find: (subscription: string) => Line | undefined;
  readonly deadLetters: DeadLetters;
}

/** What has been counted since it began. */
export interface PullFigures {
  leased: number;
  redelivered: number;
  acknowledged: number;
  released: number;
  leasesOver: number;
}

/** How soon a store that is behind is asked again. */
const BEHIND_MS = 100;

/**
 * Hands events to workers who ask (PROTOCOL.md section 14.6). A subscription that nobody pulls from, and of which nothing is leased, costs
 * nothing here; what was given out and neither acknowledged nor given back comes due by the clock.
 */
export class Pulls implements PullDesk, LineOwner {
  readonly #parts: PullsParts;
  readonly #queues = new Map<Line, PullQueue>();
  readonly #alarm: Alarm;
  #ready: Line[] = [];
  #isScheduled = false;
  #isClosed = false;
  readonly figures: PullFigures = {
    leased: 0,
    redelivered: 0,
    acknowledged: 0,
    released: 0,
    leasesOver: 0,
  };
  readonly #nameOf: () => string;

  constructor(parts: PullsParts) {
    this.#parts = parts;
    this.#alarm = new Alarm(parts.clock, parts.speed, (line) => this.ready(line));
    this.#nameOf = () => leaseName(parts.random);
  }

  /** Subscriptions that something is leased of, or that somebody waits for. */
  get queueCount(): number {
    return this.#queues.size;
  }

  async pull(subscription: string, wish: PullWish, signal: AbortSignal): Promise<readonly LeasedEvent[]> {
    const line = this.#line(subscription);
    if (!line.isActive) throw notActive(line);
    const queue = this.#queueOf(line);
    // Who waits already is first.
    const events = queue.waiters.size > 0 ? NONE : this.#take(queue, wish);
    if (events.length > 0 || signal.aborted || this.#isClosed) return events;
    if (wish.waitMs <= 0 && !queue.isLooking) return this.#left(queue);
    return this.#wait(queue, wish, signal);
  }

  watch(subscription: string, ended: (error: PolycastError) => void): () => void {
    const queue = this.#queueOf(this.#line(subscription));
    queue.watchers.add(ended);
    return () => {
      queue.watchers.delete(ended);
      this.#left(queue);
    };
  }

  acknowledge(subscription: string, leases: readonly string[]): readonly LeaseOutcome[] {
    return this.#each(subscription, leases, (line, lane) => {
      this.figures.acknowledged++;
      line.progress.done(lane);
    });
  }

  acknowledgeThrough(subscription: string, position: Position): number {
    const line = this.#line(subscription);
    const lanes = this.#queueOf(line).takeBackThrough(position);
    for (const lane of lanes) line.progress.done(lane);
    this.figures.acknowledged += lanes.length;
    this.#changed(line);
    return lanes.length;
  }

  release(subscription: string, leases: readonly string[], delayMs: number): readonly LeaseOutcome[] {
    const nowMs = this.#parts.clock.nowMs();
    return this.#each(subscription, leases, (line, lane) => {
      this.figures.released++;
      this.#again(line, lane, nowMs + delayMs, 'given back');
    });
  }

  putBack(subscription: string, leases: readonly string[]): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#each(subscription, leases, (line, lane) => line.progress.putBack(lane, nowMs));
  }

  extend(subscription: string, leases: readonly string[], leaseMs: number): readonly LeaseOutcome[] {
    const line = this.#line(subscription);
    const queue = this.#queueOf(line);
    const endsMs = this.#parts.clock.nowMs() + leaseMs;
    const outcomes = leases.map((lease): LeaseOutcome => {
      const lane = queue.find(lease);
      if (lane === undefined) return 'not_held';
      line.progress.lease(lane, lease, endsMs);
      return 'ok';
    });
    this.#changed(line);
    return outcomes;
  }

  /** In whatever order: each has its own workers, and waits for no other. */
  woken(line: Line): void {
    this.ready(line);
  }

  /** There may be something for those who wait, or a lease may be over. Does no more than take note. */
  ready(line: Line): void {
    if (line.isListed || (!line.hasProgress && !this.#queues.has(line))) return;
    line.isListed = true;
    this.#ready.push(line);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  /** Something else is asked for than before. */
  redefined(line: Line): void {
    this.#queues.get(line)?.redefined();
    this.ready(line);
  }

  /** A line is no more: nobody waits for it any longer. */
  remove(line: Line): void {
    this.#alarm.remove(line);
    this.#parts.notes.forget(line);
    const queue = this.#queues.get(line);
    this.#queues.delete(line);
    if (queue !== undefined) refuse(queue, new PolycastError('not_found', 'The subscription was removed.'));
  }

  /** Nobody waits any more: who asks gets what there is. */
  close(): void {
    this.#isClosed = true;
    this.#alarm.close();
    for (const { waiters } of this.#queues.values()) for (const waiter of waiters) waiter.settle(NONE);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    const lines = this.#ready;
    this.#ready = [];
    for (const line of lines) {
      line.isListed = false;
      this.#serve(line);
    }
  };

  #serve(line: Line): void {
    const queue = this.#queueOf(line);
    if (!line.isActive) refuse(queue, notActive(line));
    this.#advance(queue);
    for (const waiter of queue.waiters) {
      const events = this.#take(queue, waiter.wish);
      if (events.length > 0) waiter.settle(events);
      else if (waiter.isBrief && !queue.isLooking) waiter.settle(NONE);
      else if (!waiter.isBrief) break;
    }
    this.#comeBack(queue);
  }

  #take(queue: PullQueue, wish: PullWish): readonly LeasedEvent[] {
    const { clock, store, settings, notes, deadLetters } = this.#parts;
    if (store.isBehind) return NONE;
    this.#advance(queue);
    const nowMs = clock.nowMs();
    const { line } = queue;
    const leaveOut = (lane: Lane): void => deadLetters.leaveOut(line, line.progress, lane, nowMs);
    const events = queue.take(wish, nowMs, settings.openEventsMax, this.#nameOf, leaveOut);
    if (events.length === 0) return events;
    this.figures.leased += events.length;
    for (const { delivery } of events) if (delivery > 1) this.figures.redelivered++;
    notes.touch(queue.line);
    this.#alarm.set(queue.line, queue.line.progress.nextMs);
    return events;
  }

  #wait(queue: PullQueue, wish: PullWish, signal: AbortSignal): Promise<readonly LeasedEvent[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly LeasedEvent[]>();
    const { waiters, line } = queue;
    const isBrief = wish.waitMs <= 0;
    const over = (): void => {
      waiters.delete(waiter);
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    };
    const waiter: Waiter = {
      wish,
      isBrief,
      settle: (events) => {
        over();
        resolve(events);
      },
      refuse: (error) => {
        over();
        reject(error);
      },
    };
    const giveUp = (): void => {
      waiter.settle(NONE);
      this.#left(queue);
    };
    // All waits of one length share a timer of Node's.
    const timer = isBrief || wish.waitMs === Infinity ? undefined : setTimeout(giveUp, wish.waitMs / this.#parts.speed);
    timer?.unref();
    signal.addEventListener('abort', giveUp);
    waiters.add(waiter);
    this.#comeBack(queue);
    if (isBrief) this.ready(line);
    return promise;
  }

  /** When the line is looked at again, though nothing is published or acknowledged. */
  #comeBack(queue: PullQueue): void {
    const { line } = queue;
    const { clock, store } = this.#parts;
    const nowMs = clock.nowMs();
    let nextMs = Math.min(line.hasProgress ? line.progress.nextMs : Infinity, queue.nextMs(nowMs));
    if (store.isBehind && queue.waiters.size > 0) nextMs = Math.min(nextMs, nowMs + BEHIND_MS);
    this.#alarm.set(line, nextMs);
    this.#left(queue);
  }

  /** Forgets what nobody needs. */
  #left(queue: PullQueue): readonly LeasedEvent[] {
    if (queue.isIdle) this.#queues.delete(queue.line);
    return NONE;
  }

  /** Leases that are over, and what was to wait until now. */
  #advance(queue: PullQueue): void {
    const { line } = queue;
    if (!line.hasProgress) return;
    const nowMs = this.#parts.clock.nowMs();
    if (line.progress.nextMs > nowMs) return;
    line.progress.advance(nowMs, (lane) => {
      queue.takeBack(lane.lease as string);
      this.figures.leasesOver++;
      this.#again(line, lane, nowMs, 'not acknowledged in time');
    });
    this.#parts.notes.touch(line);
    line.readLanes();
  }

  #each(subscription: string, leases: readonly string[], act: (line: Line, lane: Lane) => void): LeaseOutcome[] {
    const line = this.#line(subscription);
    const queue = this.#queueOf(line);
    const outcomes = leases.map((lease): LeaseOutcome => {
      const lane = queue.takeBack(lease);
      if (lane === undefined) return 'not_held';
      act(line, lane);
      return 'ok';
    });
    this.#changed(line);
    return outcomes;
  }

  /** It is given out again, at a time; or it has been so often enough. */
  #again(line: Line, lane: Lane, dueMs: number, why: string): void {
    const { deliveriesMax } = line.definition.delivery as PullDelivery;
    if (lane.attempts < deliveriesMax) return line.progress.retry(lane, dueMs);
    const detail = `It was given out ${lane.attempts} times and never acknowledged; in the end it was ${why}.`;
    this.#parts.deadLetters.giveUp(line, line.progress, lane, 'deliveries', detail, this.#parts.clock.nowMs());
  }

  #changed(line: Line): void {
    this.#parts.notes.touch(line);
    this.ready(line);
  }

  #line(subscription: string): Line {
    const line = this.#parts.find(subscription);
    if (line === undefined) throw new PolycastError('not_found', 'There is no such subscription.');
    if (line.definition.delivery.kind !== 'pull')
      throw new PolycastError('subscription_not_active', 'It is not for pulling: the hub calls a webhook.');
    return line;
  }

  #queueOf(line: Line): PullQueue {
    let queue = this.#queues.get(line);
    if (queue === undefined) {
      queue = new PullQueue(line);
      this.#queues.set(line, queue);
    }
    return queue;
  }
}

const NONE: readonly LeasedEvent[] = [];

function refuse({ waiters, watchers }: PullQueue, error: PolycastError): void {
  for (const waiter of waiters) waiter.refuse(error);
  for (const ended of watchers) ended(error);
}

/** None begins with a hyphen: on a command line that would be an option (PROTOCOL.md section 14.6). */
function leaseName(random: PullsParts['random']): string {
  let name = random.token();
  while (name.startsWith('-')) name = random.token();
  return name;
}

function notActive({ standing }: Line): PolycastError {
  return new PolycastError('subscription_not_active', `It is ${standing.state}.`, { state: standing.state });
}
