import type { Feed } from '../core/feed.ts';
import type { Clock, Log, Random } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import type { OpenEvent } from '../core/subscription/definition.ts';
import type {
  Sender,
  StoreChange,
  StoredSubscription,
  Subscription,
  SubscriptionDesk,
  SubscriptionStore,
} from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { Desk } from './desk.ts';
import { Dispatcher } from './dispatcher.ts';
import { Line, type LineParts } from './line.ts';
import { Notes } from './notes.ts';
import { Pulls } from './pull/pulls.ts';
import { ReadGate } from './read-gate.ts';
import { Registry } from './registry.ts';
import { Standings } from './standings.ts';
import { createTell } from './tell.ts';

export interface DeliveriesParts {
  readonly log: Log;
  readonly feed: Feed;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly random: Random;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  readonly store: SubscriptionStore;
  readonly sender: Sender & { close(): Promise<void> };
  readonly settings: SubscriptionSettings;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** Reads of the log at once for all subscriptions, of those that there may be for everybody. */
const READS_CONCURRENT_MAX = 3;
/** How long requests under way are waited for when the hub goes. */
const CLOSE_TIME_MS = 5000;

/** Durable subscriptions at work. */
export class Deliveries {
  readonly #parts: DeliveriesParts;
  readonly #registry = new Registry();
  readonly #notes: Notes;
  readonly #standings: Standings;
  readonly #dispatcher: Dispatcher;
  readonly #pulls: Pulls;
  readonly #lineParts: LineParts;
  readonly desk: SubscriptionDesk;
  /** What goes to others' addresses goes by it. */
  readonly sender: Sender;

  constructor(parts: DeliveriesParts) {
    const { store, feed, clock } = parts;
    this.#parts = parts;
    this.sender = parts.sender;
    this.#notes = new Notes(store);
    this.#lineParts = { feed, clock, reads: new ReadGate(READS_CONCURRENT_MAX) };
    this.#standings = new Standings({
      ...parts,
      notes: this.#notes,
      tell: createTell(parts),
      turned: (line) => this.#turned(line),
    });
    this.#dispatcher = new Dispatcher({
      ...parts,
      epoch: feed.epoch,
      notes: this.#notes,
      verdicts: this.#standings,
    });
    this.#pulls = new Pulls({
      ...parts,
      notes: this.#notes,
      find: (id) => this.#registry.get(id),
      deadLetter: (line, letter) => this.#standings.deadLetter(line, letter),
    });
    this.desk = new Desk({
      ...parts,
      registry: this.#registry,
      notes: this.#notes,
      standings: this.#standings,
      pulls: this.#pulls,
      makeLine: (subscription) => this.#makeLine({ ...subscription, open: [], deadLetters: 0, replays: [] }),
      begin: (line) => this.#turned(line),
      end: (line) => this.#end(line),
      redefined: (line) => this.#redefined(line),
      verify: () => undefined,
      head: () => ({ position: feed.head }),
    });
  }

  /** Takes up what there was, where it stood. */
  start(): void {
    const { store, log } = this.#parts;
    const changes: StoreChange[] = [];
    const isForeign = store.epoch !== undefined && store.epoch !== log.state.epoch;
    if (store.epoch !== log.state.epoch) changes.push({ kind: 'epoch', epoch: log.state.epoch });
    for (const stored of store.load()) {
      const line = this.#makeLine(isForeign ? this.#transplanted(stored, changes) : stored);
      this.#registry.add(line);
      this.#turned(line);
    }
    if (changes.length > 0) store.note(changes);
  }

  /** Finishes what is under way, notes where everything stands, and closes the store. */
  async close(): Promise<void> {
    this.#pulls.close();
    await this.#dispatcher.close(CLOSE_TIME_MS);
    await this.#parts.sender.close();
    for (const line of this.#registry.each()) {
      line.leave();
      if (line.position !== line.standing.cursor) this.#notes.touch(line);
    }
    this.#notes.close();
    await this.#parts.store.close();
  }

  #makeLine(stored: StoredSubscription): Line {
    return new Line(this.#lineParts, stored, isPull(stored) ? this.#pulls : this.#dispatcher);
  }

  #turned(line: Line): void {
    if (line.isActive) line.join();
    else line.leave();
    if (isPull(line)) this.#pulls.ready(line);
  }

  #redefined(line: Line): void {
    if (isPull(line)) return this.#pulls.redefined(line);
    line.pace = undefined;
    if (line.isActive) this.#dispatcher.ready(line);
  }

  #end(line: Line): void {
    line.leave();
    if (isPull(line)) this.#pulls.remove(line);
    else this.#dispatcher.remove(line);
    this.#standings.forget(line);
  }

  /** What stood in another log stands nowhere in this one: it begins where this one does. */
  #transplanted(stored: StoredSubscription, changes: StoreChange[]): StoredSubscription {
    const subscription = stored.definition.id;
    const standing = { ...stored.standing, cursor: this.#parts.log.state.epochStart };
    for (const { position } of stored.open) changes.push({ kind: 'closed', subscription, position });
    changes.push({ kind: 'standing', subscription, standing });
    const open: OpenEvent[] = [];
    return { ...stored, standing, open, replays: [] };
  }
}

function isPull({ definition }: Pick<StoredSubscription, 'definition'>): boolean {
  return definition.delivery.kind === 'pull';
}
