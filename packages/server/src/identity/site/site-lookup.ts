import { PolycastError } from '@polycast/protocol';
import type { Clock } from '../../core/ports.ts';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { AnswerCache } from './answer-cache.ts';
import { CLOSED, isSuspect, allowsRequest, transition, type Breaker, type BreakerInput } from './breaker.ts';
import { ProbeRequests } from './probe-requests.ts';
import { SiteFailure } from './site-failure.ts';
import { Suspects } from './suspects.ts';
import { WaitingQuestions, type WaitingBounds } from './waiting-questions.ts';

/** What the site has said. */
export interface SiteAnswer<Value> {
  readonly value: Value;
  /** Whom it is about; where it was forgotten meanwhile, the site is asked again. */
  readonly user: string | undefined;
  /** Somebody, or yes. What is neither is remembered briefly, and has no grace. */
  readonly isPositive: boolean;
  /** Milliseconds since 1970. */
  readonly freshUntilMs: number;
}

export interface SiteLookupSettings extends WaitingBounds {
  readonly concurrentMax: number;
  readonly queueTimeoutMs: number;
  readonly cacheEntriesMax: number;
  readonly graceMs: number;
  readonly failuresMax: number;
  /** How long a site that fails is left alone. */
  readonly retryAfterMs: number;
}

export interface SiteLookupParts<Value> {
  /** Asks the site, within a bounded time. Rejects when it fails or says what cannot be understood. */
  send(body: string, askedMs: number): Promise<SiteAnswer<Value>>;
  /** The same value, good until then. */
  extend(value: Value, untilMs: number): Value;
  /** Told when the breaker opens and when it closes. */
  onBreakerChange?(breaker: 'open' | 'closed', error?: unknown): void;
  /** Told of each other failure. */
  onFailure?(error: unknown): void;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly chance: () => number;
}

/** What an inquiry has come to since it began. */
export interface SiteLookupStats {
  asked: number;
  failed: number;
  /** Answers past their time that were given because of a failure. */
  graced: number;
  /** Questions that got none. */
  unavailable: number;
}

/**
 * One kind of question to the site. What is known is answered at once; equal questions are asked once; so many are under way and so
 * many wait, by turns among clients; a site that fails is left alone. Whether it fails is found out with a question that it has
 * answered before: what one client asks may be of a kind that the site cannot read. While it does, what was known holds for the grace; all else is
 * `identity_unavailable`, never access.
 */
export class SiteLookup<Value extends NonNullable<unknown>> {
  readonly stats: SiteLookupStats = { asked: 0, failed: 0, graced: 0, unavailable: 0 };
  readonly #parts: SiteLookupParts<Value>;
  readonly #settings: SiteLookupSettings;
  readonly #positive: AnswerCache<Value>;
  readonly #negative: AnswerCache<Value>;
  readonly #pending = new Map<string, PendingLookup<Value>>();
  readonly #waiting: WaitingQuestions<PendingLookup<Value>>;
  readonly #probes = new ProbeRequests();
  readonly #suspects = new Suspects();
  readonly #inFlight = new Set<PendingLookup<Value>>();
  #breaker: Breaker = CLOSED;

  constructor(parts: SiteLookupParts<Value>, settings: SiteLookupSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#positive = new AnswerCache(settings.cacheEntriesMax, settings.graceMs);
    this.#negative = new AnswerCache(settings.cacheEntriesMax, 0);
    this.#waiting = new WaitingQuestions(settings);
  }

  /** What waits for its turn. */
  get waiting(): MemoryUsage {
    return this.#waiting;
  }

  get isFailing(): boolean {
    return this.#breaker.kind !== 'closed';
  }

  /**
   * @param key of equal questions
   * @param compose makes the body, if the site has to be asked
   * @param client who asks
   * @throws PolycastError `identity_unavailable`, or rejects with it
   */
  ask(key: string, compose: () => string, client = ''): Value | Promise<Value> {
    const nowMs = this.#parts.clock.nowMs();
    const positive = this.#positive.get(key, nowMs);
    if (positive !== undefined && nowMs < positive.freshUntilMs) return positive.value;
    if (positive === undefined) {
      const negative = this.#negative.get(key, nowMs);
      if (negative !== undefined) return negative.value;
    }
    return this.#lookUp(key, compose, 0, client);
  }

  /** As `ask`, for what is known until then; only an answer that holds longer will do. */
  renew(key: string, compose: () => string, validUntilMs: number, client = ''): Value | Promise<Value> {
    const nowMs = this.#parts.clock.nowMs();
    const cached = this.#positive.get(key, nowMs);
    if (cached !== undefined && cached.freshUntilMs > Math.max(validUntilMs, nowMs)) return cached.value;
    return (
      (cached === undefined ? this.#negative.get(key, nowMs)?.value : undefined) ??
      this.#lookUp(key, compose, validUntilMs, client)
    );
  }

  /** Until when what is known holds, milliseconds since 1970; what is not known, or is past its time, not beyond now. */
  validUntil(key: string): number {
    const nowMs = this.#parts.clock.nowMs();
    return Math.max(nowMs, this.#positive.get(key, nowMs)?.freshUntilMs ?? nowMs);
  }

  /** Whatever is known of a user, and what the site is just saying, no longer counts. */
  forget(user: string): void {
    this.#positive.forget(user);
    this.#negative.forget(user);
    this.#probes.forget(user);
    for (const lookup of this.#inFlight) (lookup.forgottenUsers ??= new Set()).add(user);
  }

  /** Refuses all that wait. */
  close(): void {
    for (let lookup = this.#waiting.take(); lookup !== undefined; lookup = this.#waiting.take()) this.#fail(lookup);
  }

  #lookUp(key: string, compose: () => string, validUntilMs: number, client: string): Value | Promise<Value> {
    const existing = this.#pending.get(key);
    if (existing !== undefined) {
      existing.validUntilMs = Math.max(existing.validUntilMs, validUntilMs);
      return existing.promise;
    }
    const nowMs = this.#parts.clock.monotonicMs();
    if (!this.#passes(client, nowMs)) return this.#answerFromGrace(key, validUntilMs);
    const isBusy = this.#inFlight.size >= this.#settings.concurrentMax;
    const body = compose();
    if (isBusy && !this.#waiting.makeRoom({ client, body }, (left) => this.#fail(left)))
      return this.#answerFromGrace(key, validUntilMs);
    const lookup = createPendingLookup<Value>(key, body, client, nowMs, validUntilMs);
    this.#pending.set(key, lookup);
    if (isBusy) this.#waiting.add(lookup);
    else this.#begin(lookup);
    return lookup.promise;
  }

  #passes(client: string, nowMs: number): boolean {
    if (!allowsRequest(this.#breaker, nowMs)) return false;
    return !this.#isBeside(client) || this.#suspects.mayTry(nowMs);
  }

  /** Whether a question of this client does not take the turn in which the site is tried. With a known one it is tried for anybody. */
  #isBeside(client: string): boolean {
    return this.#breaker.kind === 'open' && this.#probes.newest === undefined && this.#suspects.has(client);
  }

  /** Sends it, or, if the site has yet to be tried, something that it has answered before: then this waits for what comes of that. */
  #begin(lookup: PendingLookup<Value>): void {
    if (this.#breaker.kind !== 'open' || this.#probes.has(lookup.key) || !this.#sendProbe()) return this.#send(lookup);
    this.#waiting.add(lookup);
  }

  /** Asks what the site has answered before; false when nothing is known, or when it is being asked already. */
  #sendProbe(): boolean {
    const probe = this.#probes.newest;
    if (probe === undefined || this.#pending.has(probe.key)) return false;
    const lookup = createPendingLookup<Value>(probe.key, probe.body, '', this.#parts.clock.monotonicMs(), 0);
    // Nobody may wait for it.
    lookup.promise.catch(() => undefined);
    this.#pending.set(probe.key, lookup);
    this.#send(lookup);
    return true;
  }

  #send(lookup: PendingLookup<Value>): void {
    const isBeside = this.#isBeside(lookup.client);
    if (isBeside) this.#suspects.tries();
    else this.#stepBreaker({ kind: 'asked', nowMs: this.#parts.clock.monotonicMs() });
    const { era } = this.#breaker;
    const askedMs = this.#parts.clock.nowMs();
    this.#inFlight.add(lookup);
    this.stats.asked++;
    lookup.forgottenUsers = undefined;
    lookup.attempts++;
    this.#parts.send(lookup.body, askedMs).then(
      (answer) => {
        if (isBeside) this.#suspects.hasTried(undefined);
        this.#suspects.answered(lookup.client);
        this.#stepBreaker({ kind: 'answered', era });
        this.#inFlight.delete(lookup);
        if (answer.isPositive) this.#probes.add(lookup.key, lookup.body, answer.user);
        // What it said before it was told to forget may be what it has since taken back.
        const isStale = answer.user !== undefined && lookup.forgottenUsers?.has(answer.user) === true;
        if (!isStale) this.#settle(lookup, answer);
        else if (lookup.attempts < ATTEMPTS_MAX && allowsRequest(this.#breaker, this.#parts.clock.monotonicMs()))
          return this.#send(lookup);
        else this.#fail(lookup);
        this.#startWaiting();
      },
      (error: unknown) => {
        this.stats.failed++;
        if (isBeside) this.#suspects.hasTried(this.#parts.clock.monotonicMs() + this.#settings.retryAfterMs);
        const hasOpened = this.#onFailure(lookup, error, era);
        if (!hasOpened) this.#parts.onFailure?.(error);
        this.#inFlight.delete(lookup);
        this.#fail(lookup);
        // All of these may be the fault of what was asked.
        if (isSuspect(this.#breaker, this.#settings)) this.#sendProbe();
        this.#startWaiting();
      },
    );
  }

  /** Whether that has opened the breaker. */
  #onFailure({ key, client }: PendingLookup<Value>, error: unknown, era: number): boolean {
    if (error instanceof SiteFailure && error.fault === 'question') return this.#stepBreaker({ kind: 'answered', era });
    this.#suspects.failed(client);
    const isSiteFault = this.#probes.delete(key) || (error instanceof SiteFailure && error.fault === 'site');
    const nowMs = this.#parts.clock.monotonicMs();
    return this.#stepBreaker({ kind: 'failed', era, nowMs, client: isSiteFault ? undefined : client }, error);
  }

  /** Lets those in whose turn it is; whoever has waited too long, or would find a closed door, goes without. */
  #startWaiting(): void {
    const { concurrentMax, queueTimeoutMs } = this.#settings;
    while (this.#inFlight.size < concurrentMax) {
      const lookup = this.#waiting.take();
      if (lookup === undefined) return;
      const nowMs = this.#parts.clock.monotonicMs();
      if (this.#passes(lookup.client, nowMs) && nowMs - lookup.queuedMs <= queueTimeoutMs) this.#begin(lookup);
      else this.#fail(lookup);
    }
  }

  #settle(lookup: PendingLookup<Value>, { value, user, isPositive, freshUntilMs }: SiteAnswer<Value>): void {
    const { key } = lookup;
    this.#pending.delete(key);
    this.#positive.delete(key);
    this.#negative.delete(key);
    if (isPositive) this.#positive.set(key, user, value, freshUntilMs);
    else if (freshUntilMs > this.#parts.clock.nowMs()) this.#negative.set(key, user, value, freshUntilMs);
    lookup.resolve(value);
  }

  #fail(lookup: PendingLookup<Value>): void {
    this.#pending.delete(lookup.key);
    try {
      lookup.resolve(this.#answerFromGrace(lookup.key, lookup.validUntilMs));
    } catch (error) {
      lookup.reject(error);
    }
  }

  /** What was known, as long as there is grace. @throws PolycastError `identity_unavailable` */
  #answerFromGrace(key: string, validUntilMs: number): Value {
    const nowMs = this.#parts.clock.nowMs();
    const { retryAfterMs } = this.#settings;
    const cached = this.#positive.get(key, nowMs);
    if (cached === undefined) {
      this.stats.unavailable++;
      throw this.#unavailable();
    }
    this.stats.graced++;
    if (cached.gracedUntilMs > Math.max(validUntilMs, nowMs + retryAfterMs / 2)) return cached.value;
    cached.gracedUntilMs = Math.min(
      this.#positive.graceEndMs(cached),
      Math.max(nowMs, cached.freshUntilMs) + retryAfterMs,
    );
    cached.value = this.#parts.extend(cached.value, cached.gracedUntilMs);
    return cached.value;
  }

  /** Those who are refused together do not come back together. */
  #unavailable(): PolycastError {
    const { retryAfterMs } = this.#settings;
    const left = this.#breaker.kind === 'open' ? this.#breaker.untilMs - this.#parts.clock.monotonicMs() : 0;
    return new PolycastError('identity_unavailable', 'The site that knows does not answer now.', {
      retryAfterMs: Math.ceil(Math.max(left, retryAfterMs) + this.#parts.chance() * retryAfterMs),
    });
  }

  /** Whether that has opened it. */
  #stepBreaker(input: BreakerInput, error?: unknown): boolean {
    const { failuresMax, retryAfterMs } = this.#settings;
    const before = this.#breaker.kind;
    this.#breaker = transition(this.#breaker, input, {
      failuresMax,
      openMs: retryAfterMs,
      opensFor: this.#probes.newest === undefined ? 'clients' : 'sure',
    });
    if (this.#breaker.kind === 'closed' && before !== 'closed') this.#parts.onBreakerChange?.('closed');
    if (this.#breaker.kind !== 'open' || before !== 'closed') return false;
    this.#parts.onBreakerChange?.('open', error);
    return true;
  }
}

/** How often a question is asked whose answer has been taken back meanwhile. */
const ATTEMPTS_MAX = 3;

/** A question on its way, and all who wait for its answer. */
interface PendingLookup<Value> {
  readonly key: string;
  readonly body: string;
  /** Who asked first. */
  readonly client: string;
  readonly queuedMs: number;
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
  attempts: number;
  /** Until when those who wait have something already: less is of no use to them. */
  validUntilMs: number;
  /** Users to be forgotten since it was sent. */
  forgottenUsers: Set<string> | undefined;
}

function createPendingLookup<Value>(
  key: string,
  body: string,
  client: string,
  queuedMs: number,
  validUntilMs: number,
): PendingLookup<Value> {
  return {
    key,
    body,
    client,
    queuedMs,
    validUntilMs,
    attempts: 0,
    forgottenUsers: undefined,
    ...Promise.withResolvers<Value>(),
  };
}
