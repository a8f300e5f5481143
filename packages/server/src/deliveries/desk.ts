import { randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { Actor, Clock, Log, StoredRecord } from '../core/ports.ts';
import { relationOf } from '../core/pattern-relation.ts';
import type { SubscriptionDefinition, WebhookDelivery } from '../core/subscription/definition.ts';
import type {
  Attempt,
  Backlog,
  DeadLetter,
  DeadLettersQuery,
  EventPlace,
  NewSubscription,
  PullDesk,
  Replay,
  ReplayWish,
  Sample,
  Subscription,
  SubscriptionChanges,
  SubscriptionDesk,
  SubscriptionStore,
  Whereabouts,
} from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { stepStanding } from '../core/subscription/standing.ts';
import { whereaboutsOf } from '../core/subscription/whereabouts.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Line } from './line.ts';
import type { Notes } from './notes.ts';
import type { Registry } from './registry.ts';
import type { Replays } from './replays.ts';
import type { Standings } from './standings.ts';
import type { Verification } from './verification.ts';

/** What works for the desk behind the counter. */
export interface DeskParts {
  readonly registry: Registry;
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly standings: Standings;
  readonly log: Log;
  readonly clock: Clock;
  readonly replays: Replays;
  readonly verification: Verification;
  readonly deadLetters: DeadLetters;
  readonly settings: SubscriptionSettings;
  readonly pulls: PullDesk;
  readonly makeLine: (subscription: Subscription) => Line;
  /** A line that was made is put to work, or taken off for good. */
  readonly begin: (line: Line) => void;
  readonly end: (line: Line) => void;
  /** Its definition has changed. */
  readonly redefined: (line: Line) => void;
  readonly sendSample: (line: Line, sample: Sample) => Promise<Attempt>;
}

/** For so long the same key gives the same subscription. */
const REPEAT_MS = 86_400_000;

/** Durable subscriptions, for those who ask by HTTP. */
export class Desk implements SubscriptionDesk {
  readonly #parts: DeskParts;
  readonly pulls: PullDesk;
  /** Places of those whose endpoints are being asked, and that are not known yet. */
  #asking = 0;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    this.pulls = parts.pulls;
  }

  async create(
    { cursor, lost, isTrusted, ...wishes }: NewSubscription,
    _by: Actor,
  ): Promise<{ readonly subscription: Subscription; readonly isNew: boolean }> {
    const { registry, settings, clock, makeLine, begin } = this.#parts;
    const nowMs = clock.nowMs();
    const repeated = this.#repeated(wishes, nowMs);
    if (repeated !== undefined) return { subscription: repeated.subscription, isNew: false };
    if (registry.size + this.#asking >= settings.subscriptionsMax)
      throw new PolycastError('subscription_limit', undefined, { retryAfterMs: 60_000 });
    this.#throwUnavailable();
    const definition = { id: createId(), version: 1, createdMs: nowMs, changedMs: nowMs, ...wishes };
    const { delivery } = definition;
    let isActive = isTrusted || delivery.kind === 'pull';
    if (!isActive && delivery.kind === 'webhook' && delivery.dialect === 'rest-hooks') {
      // How long the endpoint thinks about it is up to others: meanwhile the place that was found is taken.
      this.#asking++;
      try {
        await this.#consentsNow(definition);
        isActive = true;
      } finally {
        this.#asking--;
      }
    }
    const state = isActive ? 'active' : 'pending';
    const never = { failingSinceMs: undefined, restUntilMs: undefined };
    const line = makeLine({
      definition,
      standing: { state, reason: 'created', sinceMs: nowMs, cursor, lost, ...never },
    });
    await this.#writeNew(line);
    begin(line);
    return { subscription: line.subscription, isNew: true };
  }

  get(id: string): Subscription | undefined {
    return this.#parts.registry.get(id)?.subscription;
  }

  list({
    after,
    limit,
    means,
  }: {
    readonly after: string;
    readonly limit: number;
    means(subscription: Subscription): boolean;
  }): readonly Subscription[] {
    return this.#parts.registry.list(after, limit, means);
  }

  find(dialect: 'websub' | 'rest-hooks', url: string, channel: string): Subscription | undefined {
    const line = this.#parts.registry.find(dialect, url, channel);
    return line?.standing.state === 'ended' ? undefined : line?.subscription;
  }

  async change(
    id: string,
    changes: SubscriptionChanges,
    version: number | undefined,
    _by: Actor,
  ): Promise<Subscription> {
    const line = this.#line(id);
    const before = line.definition;
    if (version !== undefined && version !== before.version) throw new PolycastError('precondition_failed');
    return this.#redefine(line, changes);
  }

  async pause(id: string, _by: Actor): Promise<Subscription> {
    return this.#step(id, 'pause');
  }

  async resume(id: string, _by: Actor): Promise<Subscription> {
    return this.#step(id, 'resume');
  }

  async remove(id: string, _by: Actor): Promise<void> {
    const line = this.#line(id);
    const { standings, registry, store, end } = this.#parts;
    this.#throwUnavailable();
    standings.step(line, 'remove');
    end(line);
    registry.remove(line);
    await store.write([{ kind: 'removed', subscription: id }]);
  }

  async test(id: string, sample: Sample, _by: Actor): Promise<Attempt> {
    const line = this.#webhook(id);
    if (stepStanding(line.standing.state, 'test') === 'conflict') throw notNow(line);
    return this.#parts.sendSample(line, sample);
  }

  async rotateSecret(id: string, secret: string, overlapMs: number, _by: Actor): Promise<Subscription> {
    const line = this.#webhook(id);
    const delivery = line.definition.delivery as WebhookDelivery;
    const [newest] = delivery.secrets;
    const endsMs = this.#parts.clock.nowMs() + overlapMs;
    const secrets = [{ text: secret, endsMs: undefined }, ...(newest === undefined ? [] : [{ ...newest, endsMs }])];
    const changed: WebhookDelivery = { ...delivery, secrets };
    return this.#redefine(line, { delivery: changed });
  }

  async replay(id: string, from: ReplayWish, _by: Actor): Promise<Replay> {
    const line = this.#webhook(id);
    const { state } = line.standing;
    if (state === 'ended' || state === 'pending') throw notNow(line);
    this.#throwUnavailable();
    return this.#parts.replays.begin(line, from);
  }

  replays(id: string): readonly Replay[] {
    return this.#parts.replays.of(this.#line(id));
  }

  attempts(
    id: string,
    query: { readonly before: number; readonly limit: number; readonly event?: EventPlace },
  ): Promise<readonly Attempt[]> {
    return this.#parts.store.attempts({ subscription: this.#line(id).id, ...query });
  }

  deadLetters(id: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    return this.#parts.store.deadLetters(this.#line(id).id, query);
  }

  async retryDeadLetters(id: string, event: EventPlace | undefined, _by: Actor): Promise<number> {
    const line = this.#line(id);
    if (line.standing.state === 'ended') throw notNow(line);
    this.#throwUnavailable();
    return this.#parts.deadLetters.retry(line, event);
  }

  async discardDeadLetters(id: string, event: EventPlace | undefined, _by: Actor): Promise<number> {
    const line = this.#line(id);
    this.#throwUnavailable();
    return this.#parts.deadLetters.discard(line, event);
  }

  trace(event: EventPlace): Promise<readonly Attempt[]> {
    return this.#parts.store.attempts({ event, before: Infinity, limit: TRACE_MAX });
  }

  whereabouts(id: string, record: StoredRecord): Whereabouts | undefined {
    const line = this.#line(id);
    if (!line.means(record)) return undefined;
    return whereaboutsOf(line.position, line.hasProgress ? line.progress : undefined, record);
  }

  backlog(id: string): Backlog {
    const line = this.#line(id);
    const { underWay, failing, waiting } = line.open;
    const { head } = this.#parts.log.state;
    const lagEvents = line.lagEvents(head);
    return {
      inFlight: underWay,
      failing,
      waiting,
      deadLetters: line.deadLetters,
      lagMs: this.#lagMs(line),
      lagEvents,
      lagPositions: head - line.position,
    };
  }

  async #step(id: string, input: 'pause' | 'resume'): Promise<Subscription> {
    const line = this.#line(id);
    const { standings, verification, store, notes } = this.#parts;
    this.#throwUnavailable();
    const step = standings.step(line, input);
    if (step === 'conflict') throw notNow(line);
    if (step === 'asks') {
      await verification.askAgain(line);
      // It may have been removed while its endpoint thought about it.
      this.#line(id);
    }
    await store.write(notes.changesOf(line));
    return line.subscription;
  }

  async #redefine(line: Line, { isTrusted, ...changes }: SubscriptionChanges): Promise<Subscription> {
    const { clock, notes, registry, store, redefined, standings } = this.#parts;
    this.#throwUnavailable();
    const before = line.definition;
    const isMoved = changes.delivery !== undefined && urlOf(changes.delivery) !== urlOf(before.delivery);
    const changedMs = clock.nowMs();
    const narrowedMs = isNarrowed(before.channels, changes.channels) ? changedMs : before.narrowedMs;
    const definition = { ...before, ...changes, version: before.version + 1, changedMs, narrowedMs };
    const noted = notes.changesOf(line);
    // In another order it goes on from what is noted: by the second one that is also what has only just been handed out.
    if (definition.ordering !== before.ordering) noted.push(...notes.changesOf(line));
    line.redefine(definition);
    registry.renamed(line, before);
    redefined(line);
    if (isMoved && isTrusted !== true) standings.step(line, 'moved');
    await store.write([...noted, { kind: 'definition', definition }]);
    return line.subscription;
  }

  /** What the same wish with the same key has made. @throws PolycastError `idempotency_key_reused` for another wish */
  #repeated(wishes: Pick<NewSubscription, 'owner' | 'idempotency'>, nowMs: number): Line | undefined {
    const line = this.#parts.registry.findRepeated(wishes);
    if (line === undefined || nowMs - line.definition.createdMs >= REPEAT_MS) return undefined;
    if (line.definition.idempotency?.fingerprint === wishes.idempotency?.fingerprint) return line;
    throw new PolycastError('idempotency_key_reused');
  }

  async #writeNew(line: Line): Promise<void> {
    const { registry, store } = this.#parts;
    const { id, definition, standing } = line;
    // Known from now on, so that the same is not made twice while it is being written.
    registry.add(line);
    try {
      await store.write([
        { kind: 'definition', definition },
        { kind: 'standing', subscription: id, standing },
      ]);
    } catch (error) {
      registry.remove(line);
      throw error;
    }
  }

  #line(id: string): Line {
    const line = this.#parts.registry.get(id);
    if (line === undefined) throw new PolycastError('not_found', 'There is no such subscription.');
    return line;
  }

  #webhook(id: string): Line {
    const line = this.#line(id);
    if (line.definition.delivery.kind === 'webhook') return line;
    throw new PolycastError('subscription_not_active', 'It is for pulling: no endpoint is sent anything.');
  }

  /** How old the oldest event is that is not done, as far as memory knows. */
  #lagMs(line: Line): number {
    const oldestMs = line.oldestMs();
    return oldestMs === Infinity ? 0 : Math.max(0, this.#parts.clock.nowMs() - oldestMs);
  }

  /** Who speaks REST Hooks consents within the call. @throws PolycastError `endpoint_refused` */
  async #consentsNow(definition: SubscriptionDefinition): Promise<void> {
    const { verdict, attempt } = await this.#parts.verification.askOnce(definition);
    if (verdict.isGiven) return;
    throw new PolycastError('endpoint_refused', `The endpoint has not consented: ${verdict.detail}.`, {
      category: attempt.outcome,
    });
  }

  #throwUnavailable(): void {
    const { unavailable } = this.#parts.store;
    if (unavailable !== undefined) throw new PolycastError(unavailable, undefined, { retryAfterMs: 1000 });
  }
}

/** Whether some of what was covered no longer is. */
function isNarrowed(before: readonly string[], next: readonly string[] | undefined): boolean {
  if (next === undefined) return false;
  return !before.every((channel) => next.some((pattern) => relationOf(pattern, channel) === 'covers'));
}

/** Where a webhook leads; `undefined` for what is pulled. */
export function urlOf(delivery: SubscriptionDefinition['delivery']): string | undefined {
  return delivery.kind === 'webhook' ? delivery.url : undefined;
}

function notNow({ standing: { state } }: Line): PolycastError {
  const why = state === 'pending' ? 'Its endpoint has not consented yet.' : `It is ${state}.`;
  return new PolycastError('subscription_not_active', why, { state });
}

/** Attempts of one event, of all subscriptions. */
const TRACE_MAX = 10_000;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 80 bits of chance. */
function createId(): string {
  let id = 'sub_';
  for (const byte of randomBytes(16)) id += ALPHABET.charAt(byte & 31);
  return id;
}
