import { randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { Actor, Clock, Position } from '../core/ports.ts';
import type { SubscriptionDefinition, WebhookDelivery } from '../core/subscription/definition.ts';
import type {
  Attempt,
  DeadLetter,
  NewSubscription,
  PullDesk,
  Replay,
  ReplayWish,
  Sample,
  Subscription,
  SubscriptionChanges,
  SubscriptionDesk,
  SubscriptionStore,
} from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import type { Line } from './line.ts';
import type { Notes } from './notes.ts';
import type { Registry } from './registry.ts';
import type { Standings } from './standings.ts';

/** What works for the desk behind the counter. */
export interface DeskParts {
  readonly registry: Registry;
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly standings: Standings;
  readonly clock: Clock;
  readonly settings: SubscriptionSettings;
  readonly pulls: PullDesk;
  readonly makeLine: (subscription: Subscription) => Line;
  /** A line that was made is put to work, or taken off for good. */
  readonly begin: (line: Line) => void;
  readonly end: (line: Line) => void;
  /** Its definition has changed. */
  readonly redefined: (line: Line) => void;
  readonly verify: (line: Line) => void;
  readonly head: () => { readonly position: Position };
}

/** For so long the same key gives the same subscription. */
const REPEAT_MS = 86_400_000;

/** Durable subscriptions, for those who ask by HTTP. */
export class Desk implements SubscriptionDesk {
  readonly #parts: DeskParts;
  readonly pulls: PullDesk;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    this.pulls = parts.pulls;
  }

  async create(
    { cursor, isTrusted, ...wishes }: NewSubscription,
    _by: Actor,
  ): Promise<{ readonly subscription: Subscription; readonly isNew: boolean }> {
    const { registry, settings, store, clock, makeLine, begin, verify } = this.#parts;
    const nowMs = clock.nowMs();
    const repeated = registry.findRepeated(wishes);
    if (repeated !== undefined && nowMs - repeated.definition.createdMs < REPEAT_MS) {
      if (repeated.definition.idempotency?.fingerprint !== wishes.idempotency?.fingerprint)
        throw new PolycastError('idempotency_key_reused');
      return { subscription: repeated.subscription, isNew: false };
    }
    if (registry.size >= settings.subscriptionsMax)
      throw new PolycastError('subscription_limit', undefined, { retryAfterMs: 60_000 });
    this.#throwUnavailable();
    const definition: SubscriptionDefinition = {
      id: createId(),
      version: 1,
      createdMs: nowMs,
      changedMs: nowMs,
      ...wishes,
    };
    const state = isTrusted || wishes.delivery.kind === 'pull' ? 'active' : 'pending';
    const line = makeLine({
      definition,
      standing: { state, reason: 'created', sinceMs: nowMs, cursor, failingSinceMs: undefined },
    });
    // Known from now on, so that the same is not made twice while it is being written.
    registry.add(line);
    try {
      await store.write([
        { kind: 'definition', definition },
        { kind: 'standing', subscription: definition.id, standing: line.standing },
      ]);
    } catch (error) {
      registry.remove(line);
      throw error;
    }
    begin(line);
    if (state === 'pending') verify(line);
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
    return this.#parts.registry.find(dialect, url, channel)?.subscription;
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

  test(_id: string, _sample: Sample, _by: Actor): Promise<Attempt> {
    return Promise.reject(new PolycastError('not_found'));
  }

  async rotateSecret(id: string, secret: string, overlapMs: number, _by: Actor): Promise<Subscription> {
    const line = this.#line(id);
    const { delivery } = line.definition;
    if (delivery.kind !== 'webhook')
      throw new PolycastError('subscription_not_active', 'A subscription for pull has no secret.');
    const [newest] = delivery.secrets;
    const endsMs = this.#parts.clock.nowMs() + overlapMs;
    const secrets = [{ text: secret, endsMs: undefined }, ...(newest === undefined ? [] : [{ ...newest, endsMs }])];
    const changed: WebhookDelivery = { ...delivery, secrets };
    return this.#redefine(line, { delivery: changed });
  }

  replay(_id: string, _from: ReplayWish, _by: Actor): Promise<Replay> {
    return Promise.reject(new PolycastError('not_found'));
  }

  replays(_id: string): readonly Replay[] {
    return [];
  }

  attempts(
    id: string,
    query: { readonly before: number; readonly limit: number; readonly position?: Position },
  ): Promise<readonly Attempt[]> {
    return this.#parts.store.attempts({ subscription: this.#line(id).id, ...query });
  }

  deadLetters(id: string, query: { readonly after: Position; readonly limit: number }): Promise<readonly DeadLetter[]> {
    return this.#parts.store.deadLetters(this.#line(id).id, query);
  }

  retryDeadLetters(_id: string, _position: Position | undefined, _by: Actor): Promise<number> {
    return Promise.reject(new PolycastError('not_found'));
  }

  discardDeadLetters(_id: string, _position: Position | undefined, _by: Actor): Promise<number> {
    return Promise.reject(new PolycastError('not_found'));
  }

  trace(position: Position): Promise<readonly Attempt[]> {
    return this.#parts.store.attempts({ position, before: Infinity, limit: TRACE_MAX });
  }

  backlog(id: string): {
    readonly inFlight: number;
    readonly failing: number;
    readonly deadLetters: number;
    readonly lagMs: number;
    readonly lagPositions: number;
  } {
    const line = this.#line(id);
    return {
      inFlight: line.hasProgress ? line.progress.flying : 0,
      failing: line.hasProgress ? line.progress.waiting : 0,
      deadLetters: line.deadLetters,
      lagMs: 0,
      lagPositions: this.#parts.head().position - line.position,
    };
  }

  async #step(id: string, input: 'pause' | 'resume'): Promise<Subscription> {
    const line = this.#line(id);
    this.#throwUnavailable();
    const step = this.#parts.standings.step(line, input);
    if (step === 'conflict')
      throw new PolycastError('subscription_not_active', `It is ${line.standing.state}.`, {
        state: line.standing.state,
      });
    await this.#parts.store.write(this.#parts.notes.changesOf(line));
    return line.subscription;
  }

  async #redefine(line: Line, changes: SubscriptionChanges): Promise<Subscription> {
    const { clock, notes, registry, store, redefined } = this.#parts;
    this.#throwUnavailable();
    const before = line.definition;
    const definition = { ...before, ...changes, version: before.version + 1, changedMs: clock.nowMs() };
    const noted = notes.changesOf(line);
    line.redefine(definition);
    registry.renamed(line, before);
    redefined(line);
    await store.write([...noted, { kind: 'definition', definition }]);
    return line.subscription;
  }

  #line(id: string): Line {
    const line = this.#parts.registry.get(id);
    if (line === undefined) throw new PolycastError('not_found', 'There is no such subscription.');
    return line;
  }

  #throwUnavailable(): void {
    const { unavailable } = this.#parts.store;
    if (unavailable !== undefined) throw new PolycastError(unavailable, undefined, { retryAfterMs: 1000 });
  }
}

const TRACE_MAX = 10_000;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 80 bits of chance. */
function createId(): string {
  let id = 'sub_';
  for (const byte of randomBytes(16)) id += ALPHABET.charAt(byte & 31);
  return id;
}
