import type { Feed } from '../core/feed.ts';
import type { Clock, Log, Random } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import type {
  Sender,
  StoreChange,
  StoredSubscription,
  SubscriptionDesk,
  SubscriptionStore,
} from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { DeadLetters } from './dead-letters.ts';
import { Desk, urlOf } from './desk.ts';
import { Dispatcher } from './dispatcher.ts';
import { Endings } from './endings.ts';
import type { InFlight } from './in-flight-file.ts';
import type { LandingFigures } from './landings.ts';
import { LagCounter } from './lag-counter.ts';
import { Line, type LineOwner, type LineParts } from './line.ts';
import { Notes } from './notes.ts';
import { Pulls, type PullFigures } from './pull/pulls.ts';
import { Quarantine } from './quarantine.ts';
import { ReadGate } from '../core/read-gate.ts';
import { Registry } from './registry.ts';
import { Replays } from './replays.ts';
import { Standings } from './standings.ts';
import { createTell } from './tell.ts';
import { sendSample } from './trial.ts';
import { Verification } from './verification.ts';
import type { Verdict } from './webhook/consent.ts';

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
  /** What was in flight when the hub before died, and what is now. */
  readonly inFlight: InFlight;
  readonly settings: SubscriptionSettings;
  /** What the hub calls itself, to endpoints that it asks for their consent: a host name. */
  readonly origin: string;
  /** Told how long each request to an endpoint took, in milliseconds. */
  readonly answered: (durationMs: number) => void;
  /** Events written to live consumers, in all. */
  readonly liveEvents: () => number;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** Reads of the log at once for all subscriptions, of those that there may be for everybody. */
const READS_CONCURRENT_MAX = 3;
/** How often cursors of quiet subscriptions are written down, if the log has gone on by so much since: whoever starts again reads no more. */
const SWEEP_INTERVAL_MS = 60_000;
const SWEEP_POSITIONS = 10_000;
/** How long requests under way are waited for when the hub goes. */
const CLOSE_TIME_MS = 5000;

const STATES = ['pending', 'active', 'paused', 'suspended', 'ended'] as const;

export interface DeliveriesFigures {
  readonly states: Readonly<
    Record<string, { readonly count: number; readonly lagEventsMax: number; readonly lagMsMax: number }>
  >;
  readonly webhooks: LandingFigures & { readonly inFlight: number; readonly connections: Sender['figures'] };
  readonly pulls: PullFigures;
  /** Events given up on since it began. */
  readonly deadLetters: number;
  readonly store: Readonly<Record<string, number>>;
}

/** Durable subscriptions at work. */
export class Deliveries {
  readonly #parts: DeliveriesParts;
  readonly #registry = new Registry();
  readonly #notes: Notes;
  readonly #deadLetters: DeadLetters;
  readonly #standings: Standings;
  readonly #dispatcher: Dispatcher;
  readonly #pulls: Pulls;
  readonly #replays: Replays;
  readonly #verification: Verification;
  readonly #endings: Endings;
  readonly #quarantine: Quarantine;
  readonly #lineParts: LineParts;
  #sweeping: NodeJS.Timeout | undefined;
  readonly desk: SubscriptionDesk;
  /** What goes to others' addresses goes by it. */
  readonly sender: Sender;

  constructor(parts: DeliveriesParts) {
    const { store, feed, clock, speed } = parts;
    const { epoch } = feed;
    this.#parts = parts;
    this.sender = parts.sender;
    const notes = new Notes(store);
    this.#notes = notes;
    const counter = new LagCounter((line) => notes.touch(line));
    this.#lineParts = { feed, clock, reads: new ReadGate(READS_CONCURRENT_MAX), counter };
    const tell = createTell(parts);
    const deadLetters = new DeadLetters({ ...parts, epoch, notes, tell, ownerOf: (line) => this.#ownerOf(line) });
    this.#deadLetters = deadLetters;
    const standings = new Standings({ ...parts, notes, tell, turned: (line) => this.#turned(line) });
    this.#standings = standings;
    let attemptNumber = store.lastAttempt;
    const nextAttempt = (): number => ++attemptNumber;
    const quarantine = new Quarantine({ ...parts, released: (line) => this.#released(line) });
    this.#quarantine = quarantine;
    this.#dispatcher = new Dispatcher({ ...parts, quarantine, epoch, notes, standings, deadLetters, nextAttempt });
    this.#pulls = new Pulls({ ...parts, notes, deadLetters, find: (id) => this.#registry.get(id) });
    this.#replays = new Replays({ lineParts: this.#lineParts, owner: this.#dispatcher, store, notes });
    this.#endings = new Endings(clock, speed, (line) => void standings.step(line, 'lease_over'));
    this.#verification = new Verification({
      ...parts,
      quarantine,
      epoch,
      nextAttempt,
      judged: (line, verdict) => this.#judged(line, verdict),
    });
    this.desk = new Desk({
      ...parts,
      registry: this.#registry,
      notes,
      standings,
      pulls: this.#pulls,
      replays: this.#replays,
      verification: this.#verification,
      deadLetters,
      makeLine: (subscription) => this.#makeLine({ ...subscription, open: [], deadLetters: 0, replays: [] }),
      begin: (line) => this.#turned(line),
      end: (line) => this.#end(line),
      redefined: (line) => this.#redefined(line),
      sendSample: (line, sample) => sendSample({ ...parts, epoch, nextAttempt }, line, sample),
    });
  }

  /** Acknowledged changes of subscriptions were missing when their store was opened. */
  get hasLostCommits(): boolean {
    return this.#parts.store.hasLostCommits;
  }

  /** Looks at every subscription. */
  get figures(): DeliveriesFigures {
    const { clock, log, store } = this.#parts;
    const nowMs = clock.nowMs();
    const states: Record<string, { count: number; lagEventsMax: number; lagMsMax: number }> = {};
    for (const state of STATES) states[state] = { count: 0, lagEventsMax: 0, lagMsMax: 0 };
    for (const line of this.#registry.each()) {
      const figures = states[line.standing.state];
      if (figures === undefined) continue;
      figures.count++;
      if (line.standing.state === 'ended') continue;
      figures.lagEventsMax = Math.max(figures.lagEventsMax, line.lagEvents(log.state.head));
      const oldestMs = line.oldestMs();
      if (oldestMs < Infinity) figures.lagMsMax = Math.max(figures.lagMsMax, nowMs - oldestMs);
    }
    const { figures: webhooks, inFlight } = this.#dispatcher;
    return {
      states,
      webhooks: { ...webhooks, inFlight, connections: this.sender.figures },
      pulls: this.#pulls.figures,
      deadLetters: this.#deadLetters.givenUp,
      store: store.figures(),
    };
  }

  /** Takes up what there was, where it stood. */
  start(): void {
    const { store, log } = this.#parts;
    const changes: StoreChange[] = [];
    const isForeign = store.epoch !== undefined && store.epoch !== log.state.epoch;
    if (store.epoch !== log.state.epoch) changes.push({ kind: 'epoch', epoch: log.state.epoch });
    for (const stored of store.load()) {
      const line = this.#makeLine(isForeign ? this.#transplanted(stored, store.epoch as string, changes) : stored);
      this.#registry.add(line);
      if (!isForeign) this.#replays.restore(line, stored.replays);
    }
    this.#quarantine.start((id) => this.#registry.get(id));
    for (const line of this.#registry.each()) this.#turned(line);
    if (changes.length > 0) store.note(changes);
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS / this.#parts.speed);
    this.#sweeping.unref();
  }

  /** Finishes what is under way, notes where everything stands, and closes the store. */
  async close(): Promise<void> {
    this.#pulls.close();
    this.#lineParts.counter.close();
    this.#verification.close();
    this.#endings.close();
    clearInterval(this.#sweeping);
    this.#quarantine.close();
    await this.#dispatcher.close(CLOSE_TIME_MS);
    await this.#parts.sender.close();
    this.#parts.inFlight.close();
    for (const line of this.#registry.each()) {
      line.leave();
      if (line.position !== line.standing.cursor) this.#notes.touch(line);
    }
    this.#notes.close();
    await this.#parts.store.close();
  }

  #sweep(): void {
    for (const line of this.#registry.each())
      if (line.isLive && line.position - line.standing.cursor > SWEEP_POSITIONS) this.#notes.touch(line);
  }

  #makeLine(stored: StoredSubscription): Line {
    return new Line(this.#lineParts, stored, isPull(stored) ? this.#pulls : this.#dispatcher);
  }

  #ownerOf(line: Line): LineOwner {
    return isPull(line) ? this.#pulls : this.#dispatcher;
  }

  /** It has come to stand otherwise than before. */
  #turned(line: Line): void {
    const { state } = line.standing;
    this.#endings.set(line);
    if (state === 'pending') this.#verification.begin(line);
    else this.#verification.forget(line);
    if (state === 'suspended') this.#dispatcher.suspend(line);
    if (state === 'active' || state === 'suspended') line.join();
    else line.leave();
    if (isPull(line)) this.#pulls.ready(line);
    if (state === 'active') this.#replays.ready(line);
  }

  /** It had been held back, and may be sent to now. */
  #released(line: Line): void {
    this.#verification.released(line);
    if (isPull(line)) return;
    this.#dispatcher.ready(line);
    this.#replays.ready(line);
  }

  #redefined(line: Line): void {
    this.#endings.set(line);
    if (isPull(line)) return this.#pulls.redefined(line);
    // Another pace, or another endpoint: it is found out anew.
    line.pace = undefined;
    if (line.standing.restUntilMs !== undefined) {
      line.standing = { ...line.standing, restUntilMs: undefined };
      this.#notes.touch(line);
    }
    this.#dispatcher.ready(line);
  }

  #end(line: Line): void {
    line.leave();
    this.#lineParts.counter.forget(line);
    this.#quarantine.remove(line);
    this.#endings.forget(line);
    this.#verification.forget(line);
    this.#replays.forget(line, (replay) => this.#dispatcher.remove(replay));
    if (isPull(line)) this.#pulls.remove(line);
    else this.#dispatcher.remove(line);
    this.#standings.forget(line);
  }

  async #judged(line: Line, verdict: Verdict): Promise<void> {
    const { ratePerMinute } = verdict.isGiven ? verdict : {};
    const { ratePerSecond = Infinity } = line.definition;
    const asked = urlOf(line.definition.delivery);
    // It wants less than it would be sent.
    if (ratePerMinute !== undefined && ratePerMinute / 60 < ratePerSecond)
      await this.desk
        .change(line.id, { ratePerSecond: ratePerMinute / 60 }, undefined, { kind: 'hub' })
        .catch((error: unknown) =>
          this.#parts.logger.warn({ subscription: line.id, error: String(error) }, 'a rate could not be kept'),
        );
    // It may lead elsewhere by now, where nobody has consented.
    if (urlOf(line.definition.delivery) !== asked) return;
    if (!verdict.isGiven)
      this.#parts.logger.info({ subscription: line.id, detail: verdict.detail }, 'an endpoint has not consented');
    const refusal = !verdict.isGiven && verdict.isGone === true ? 'gone' : 'refused';
    this.#standings.step(line, verdict.isGiven ? 'verified' : refusal);
  }

  /** What stood in another log stands nowhere in this one: it begins where this one does, and is told so before all else. */
  #transplanted(stored: StoredSubscription, epoch: string, changes: StoreChange[]): StoredSubscription {
    const subscription = stored.definition.id;
    // Of logs in between it has heard nothing.
    const lost = stored.standing.lost ?? { epoch, position: stored.standing.cursor };
    const standing = { ...stored.standing, cursor: this.#parts.log.state.epochStart, lost };
    for (const { position } of stored.open) changes.push({ kind: 'closed', subscription, position });
    for (const { id } of stored.replays) changes.push({ kind: 'replay_gone', subscription, id });
    changes.push({ kind: 'standing', subscription, standing });
    return { ...stored, standing, open: [], replays: [] };
  }
}

function isPull({ definition }: Pick<StoredSubscription, 'definition'>): boolean {
  return definition.delivery.kind === 'pull';
}
