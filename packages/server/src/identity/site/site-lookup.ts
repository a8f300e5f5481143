import { PolycastError } from '@polycast/protocol';
import type { Clock } from '../../core/ports.ts';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { AnswerCache } from './answer-cache.ts';
import { CLOSED, isSuspect, allowsRequest, transition, type Breaker, type BreakerInput } from './breaker.ts';
import { ProbeRequests } from './probe-requests.ts';
import { SiteFailure } from './site-failure.ts';
import { Suspects } from './suspects.ts';
import { WaitingQuestions, type WaitingBounds } from './waiting-questions.ts';

/** An answer of the site. */
export interface SiteAnswer<Value> {
  readonly value: Value;
  /**
   * The user in question. If the hub forgets this user while the question is in flight, the site is
   * asked again.
   */
  readonly user: string | undefined;
  /**
   * Whether the answer names a user, or allows the action. Other answers are cached briefly, and
   * have no grace.
   */
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
  /** How long an open breaker sends nothing to the site. */
  readonly retryAfterMs: number;
}

export interface SiteLookupParts<Value> {
  /**
   * Asks the site, within a bounded time. Rejects when the site fails, or its answer cannot be
   * parsed.
   */
  send(body: string, askedMs: number): Promise<SiteAnswer<Value>>;
  /** Returns the same value with a later end. */
  extend(value: Value, untilMs: number): Value;
  /** Called when the breaker opens, and when it closes. */
  onBreakerChange?(breaker: 'open' | 'closed', error?: unknown): void;
  /** Called for each failure that does not open the breaker. */
  onFailure?(error: unknown): void;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly chance: () => number;
}

/** Counters of a lookup since its start. */
export interface SiteLookupStats {
  asked: number;
  failed: number;
  /** Expired answers that were used because of a failure. */
  graced: number;
  /** Questions without any answer: `identity_unavailable`. */
  unavailable: number;
}

/**
 * A lookup sends one kind of question to the site: for example "which user has these cookies?".
 *
 * - Fresh answers come from the cache. Equal questions in flight are sent once.
 * - The numbers of questions in flight and of waiting ones are bounded. Clients take turns.
 * - A breaker stops the questions to a site that fails. A question that the site has answered
 *   before tests the site: a client's new question may be one that the site cannot parse.
 * - While the site fails, known users and permissions stay valid for the grace. All other
 *   questions fail with `identity_unavailable`: a failure never gives access.
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

  /** The memory of the waiting questions. */
  get waiting(): MemoryUsage {
    return this.#waiting;
  }

  get isFailing(): boolean {
    return this.#breaker.kind !== 'closed';
  }

  /**
   * Asks a question.
   * @param key equal questions have the same key
   * @param compose makes the body of the request, if the site has to be asked
   * @param clientOf the user or address that asks, if the site has to be asked
   * @throws PolycastError `identity_unavailable`, or rejects with it
   */
  ask(key: string, compose: () => string, clientOf: () => string = UNNAMED): Value | Promise<Value> {
    const nowMs = this.#parts.clock.nowMs();
    const positive = this.#positive.get(key, nowMs);
    if (positive !== undefined && nowMs < positive.freshUntilMs) return positive.value;
    if (positive === undefined) {
      const negative = this.#negative.get(key, nowMs);
      if (negative !== undefined) return negative.value;
    }
    return this.#lookUp(key, compose, 0, clientOf);
  }

  /**
   * As `ask`, for a caller whose present answer is valid until `validUntilMs`. A cached answer must
   * be valid for longer.
   */
  renew(key: string, compose: () => string, validUntilMs: number): Value | Promise<Value> {
    const nowMs = this.#parts.clock.nowMs();
    const cached = this.#positive.get(key, nowMs);
    if (cached !== undefined && cached.freshUntilMs > Math.max(validUntilMs, nowMs)) return cached.value;
    return (
      (cached === undefined ? this.#negative.get(key, nowMs)?.value : undefined) ??
      this.#lookUp(key, compose, validUntilMs, UNNAMED)
    );
  }

  /**
   * The end of a cached answer, in milliseconds since 1970. Returns the present time when the
   * answer is unknown or has expired.
   */
  validUntil(key: string): number {
    const nowMs = this.#parts.clock.nowMs();
    return Math.max(nowMs, this.#positive.get(key, nowMs)?.freshUntilMs ?? nowMs);
  }

  /**
   * Drops all cached answers about a user. Answers in flight about this user are dropped too, and
   * asked for again.
   */
  forget(user: string): void {
    this.#positive.forget(user);
    this.#negative.forget(user);
    this.#probes.forget(user);
    for (const lookup of this.#inFlight) (lookup.forgottenUsers ??= new Set()).add(user);
  }

  /**
   * Ends all waiting questions: with a cached answer in its grace, or with `identity_unavailable`.
   */
  close(): void {
    for (let lookup = this.#waiting.take(); lookup !== undefined; lookup = this.#waiting.take()) this.#fail(lookup);
  }

  #lookUp(key: string, compose: () => string, validUntilMs: number, clientOf: () => string): Value | Promise<Value> {
    const existing = this.#pending.get(key);
    if (existing !== undefined) {
      existing.validUntilMs = Math.max(existing.validUntilMs, validUntilMs);
      return existing.promise;
    }
    const client = clientOf();
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

  /**
   * Whether a question of this client is sent beside the test of the site. If a probe is known, the
   * probe tests the site for all clients.
   */
  #isBeside(client: string): boolean {
    return this.#breaker.kind === 'open' && this.#probes.newest === undefined && this.#suspects.has(client);
  }

  /**
   * Sends a question. If the breaker is open and a probe is known, it sends the probe, and the
   * question waits for the outcome.
   */
  #begin(lookup: PendingLookup<Value>): void {
    if (this.#breaker.kind !== 'open' || this.#probes.has(lookup.key) || !this.#sendProbe()) return this.#send(lookup);
    this.#waiting.add(lookup);
  }

  /**
   * Sends a question that the site has answered before. Returns false when none is known, or when
   * it is in flight already.
   */
  #sendProbe(): boolean {
    const probe = this.#probes.newest;
    if (probe === undefined || this.#pending.has(probe.key)) return false;
    const lookup = createPendingLookup<Value>(probe.key, probe.body, '', this.#parts.clock.monotonicMs(), 0);
    // The probe may have no waiting caller.
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
        // The answer may be older than the request to forget its user.
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
        // Every one of these questions may have been at fault, so test the site with a probe.
        if (isSuspect(this.#breaker, this.#settings)) this.#sendProbe();
        this.#startWaiting();
      },
    );
  }

  /** Returns whether the failure opened the breaker. */
  #onFailure({ key, client }: PendingLookup<Value>, error: unknown, era: number): boolean {
    if (error instanceof SiteFailure && error.fault === 'question') return this.#stepBreaker({ kind: 'answered', era });
    this.#suspects.failed(client);
    const isSiteFault = this.#probes.delete(key) || (error instanceof SiteFailure && error.fault === 'site');
    const nowMs = this.#parts.clock.monotonicMs();
    return this.#stepBreaker({ kind: 'failed', era, nowMs, client: isSiteFault ? undefined : client }, error);
  }

  /**
   * Starts waiting questions while there is capacity. A question fails if it waited longer than
   * `queueTimeoutMs`, or if the breaker does not allow it.
   */
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

  /**
   * Returns an expired answer during its grace.
   * @throws PolycastError `identity_unavailable` when there is none
   */
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

  /**
   * The random part of `retryAfterMs` spreads the retries of clients that were refused together.
   */
  #unavailable(): PolycastError {
    const { retryAfterMs } = this.#settings;
    const left = this.#breaker.kind === 'open' ? this.#breaker.untilMs - this.#parts.clock.monotonicMs() : 0;
    return new PolycastError('identity_unavailable', 'The identity site does not answer at the moment.', {
      retryAfterMs: Math.ceil(Math.max(left, retryAfterMs) + this.#parts.chance() * retryAfterMs),
    });
  }

  /** Returns whether the input opened the breaker. */
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

/**
 * The bound on sends of one question. It is sent again if its user was forgotten while it was in
 * flight.
 */
const ATTEMPTS_MAX = 3;

const UNNAMED = (): string => '';

/** A question in flight or in the queue. Equal questions share its promise. */
interface PendingLookup<Value> {
  readonly key: string;
  readonly body: string;
  /** The client that asked first. */
  readonly client: string;
  readonly queuedMs: number;
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
  attempts: number;
  /**
   * The callers have an answer that is valid until this moment. A renewal must be valid for longer.
   */
  validUntilMs: number;
  /** The users that were forgotten after the question was sent. */
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
