import { PolycastError } from '@polycast/protocol';
import type { Clock } from '../../core/ports.ts';
import type { Held } from '../../core/byte-budget.ts';
import { AnswerCache } from './answer-cache.ts';
import { CLOSED, isDoubtful, passes, step, type Breaker, type BreakerInput } from './breaker.ts';
import { KnownQuestions } from './known-questions.ts';
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

export interface InquirySettings extends WaitingBounds {
  readonly concurrentMax: number;
  readonly queueTimeoutMs: number;
  readonly cacheEntriesMax: number;
  readonly graceMs: number;
  readonly failuresMax: number;
  /** How long a site that fails is left alone. */
  readonly retryAfterMs: number;
}

export interface InquiryParts<Value> {
  /** Asks the site, within a bounded time. Rejects when it fails or says what cannot be understood. */
  send(body: string, askedMs: number): Promise<SiteAnswer<Value>>;
  /** The same value, good until then. */
  extend(value: Value, untilMs: number): Value;
  /** Told when the breaker opens and when it closes. */
  turned?(breaker: 'open' | 'closed', error?: unknown): void;
  /** Told of each other failure. */
  failed?(error: unknown): void;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly chance: () => number;
}

/** What an inquiry has come to since it began. */
export interface InquiryFigures {
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
export class Inquiry<Value extends NonNullable<unknown>> {
  readonly figures: InquiryFigures = { asked: 0, failed: 0, graced: 0, unavailable: 0 };
  readonly #parts: InquiryParts<Value>;
  readonly #settings: InquirySettings;
  readonly #positive: AnswerCache<Value>;
  readonly #negative: AnswerCache<Value>;
  readonly #flights = new Map<string, Flight<Value>>();
  readonly #waiting: WaitingQuestions<Flight<Value>>;
  readonly #known = new KnownQuestions();
  readonly #suspects = new Suspects();
  readonly #underWay = new Set<Flight<Value>>();
  #breaker: Breaker = CLOSED;

  constructor(parts: InquiryParts<Value>, settings: InquirySettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#positive = new AnswerCache(settings.cacheEntriesMax, settings.graceMs);
    this.#negative = new AnswerCache(settings.cacheEntriesMax, 0);
    this.#waiting = new WaitingQuestions(settings);
  }

  /** What waits for its turn. */
  get waiting(): Held {
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
    return this.#join(key, compose, 0, client);
  }

  /** As `ask`, for what is known until then; only an answer that holds longer will do. */
  renew(key: string, compose: () => string, heldUntilMs: number, client = ''): Value | Promise<Value> {
    const nowMs = this.#parts.clock.nowMs();
    const kept = this.#positive.get(key, nowMs);
    if (kept !== undefined && kept.freshUntilMs > Math.max(heldUntilMs, nowMs)) return kept.value;
    return (
      (kept === undefined ? this.#negative.get(key, nowMs)?.value : undefined) ??
      this.#join(key, compose, heldUntilMs, client)
    );
  }

  /** Until when what is known holds, milliseconds since 1970; what is not known, or is past its time, not beyond now. */
  holdsUntil(key: string): number {
    const nowMs = this.#parts.clock.nowMs();
    return Math.max(nowMs, this.#positive.get(key, nowMs)?.freshUntilMs ?? nowMs);
  }

  /** Whatever is known of a user, and what the site is just saying, no longer counts. */
  forget(user: string): void {
    this.#positive.forget(user);
    this.#negative.forget(user);
    this.#known.forget(user);
    for (const flight of this.#underWay) (flight.forgotten ??= new Set()).add(user);
  }

  /** Refuses all that wait. */
  close(): void {
    for (let flight = this.#waiting.take(); flight !== undefined; flight = this.#waiting.take()) this.#fail(flight);
  }

  #join(key: string, compose: () => string, heldUntilMs: number, client: string): Value | Promise<Value> {
    const joined = this.#flights.get(key);
    if (joined !== undefined) {
      joined.heldUntilMs = Math.max(joined.heldUntilMs, heldUntilMs);
      return joined.promise;
    }
    const nowMs = this.#parts.clock.monotonicMs();
    if (!this.#passes(client, nowMs)) return this.#withoutSite(key, heldUntilMs);
    const isBusy = this.#underWay.size >= this.#settings.concurrentMax;
    const body = compose();
    if (isBusy && !this.#waiting.makeRoom({ client, body }, (left) => this.#fail(left)))
      return this.#withoutSite(key, heldUntilMs);
    const flight = newFlight<Value>(key, body, client, nowMs, heldUntilMs);
    this.#flights.set(key, flight);
    if (isBusy) this.#waiting.add(flight);
    else this.#begin(flight);
    return flight.promise;
  }

  #passes(client: string, nowMs: number): boolean {
    if (!passes(this.#breaker, nowMs)) return false;
    return !this.#isBeside(client) || this.#suspects.mayTry(nowMs);
  }

  /** Whether a question of this client does not take the turn in which the site is tried. With a known one it is tried for anybody. */
  #isBeside(client: string): boolean {
    return this.#breaker.kind === 'open' && this.#known.newest === undefined && this.#suspects.has(client);
  }

  /** Sends it, or, if the site has yet to be tried, something that it has answered before: then this waits for what comes of that. */
  #begin(flight: Flight<Value>): void {
    if (this.#breaker.kind !== 'open' || this.#known.has(flight.key) || !this.#tryKnown()) return this.#send(flight);
    this.#waiting.add(flight);
  }

  /** Asks what the site has answered before; false when nothing is known, or when it is being asked already. */
  #tryKnown(): boolean {
    const known = this.#known.newest;
    if (known === undefined || this.#flights.has(known.key)) return false;
    const flight = newFlight<Value>(known.key, known.body, '', this.#parts.clock.monotonicMs(), 0);
    // Nobody may wait for it.
    flight.promise.catch(() => undefined);
    this.#flights.set(known.key, flight);
    this.#send(flight);
    return true;
  }

  #send(flight: Flight<Value>): void {
    const isBeside = this.#isBeside(flight.client);
    if (isBeside) this.#suspects.tries();
    else this.#turn({ kind: 'asked', nowMs: this.#parts.clock.monotonicMs() });
    const { era } = this.#breaker;
    const askedMs = this.#parts.clock.nowMs();
    this.#underWay.add(flight);
    this.figures.asked++;
    flight.forgotten = undefined;
    flight.attempts++;
    this.#parts.send(flight.body, askedMs).then(
      (answer) => {
        if (isBeside) this.#suspects.hasTried(undefined);
        this.#suspects.answered(flight.client);
        this.#turn({ kind: 'answered', era });
        this.#underWay.delete(flight);
        if (answer.isPositive) this.#known.add(flight.key, flight.body, answer.user);
        // What it said before it was told to forget may be what it has since taken back.
        const isOld = answer.user !== undefined && flight.forgotten?.has(answer.user) === true;
        if (!isOld) this.#settle(flight, answer);
        else if (flight.attempts < ATTEMPTS_MAX && passes(this.#breaker, this.#parts.clock.monotonicMs()))
          return this.#send(flight);
        else this.#fail(flight);
        this.#next();
      },
      (error: unknown) => {
        this.figures.failed++;
        if (isBeside) this.#suspects.hasTried(this.#parts.clock.monotonicMs() + this.#settings.retryAfterMs);
        const opened = this.#failed(flight, error, era);
        if (!opened) this.#parts.failed?.(error);
        this.#underWay.delete(flight);
        this.#fail(flight);
        // All of these may be the fault of what was asked.
        if (isDoubtful(this.#breaker, this.#settings)) this.#tryKnown();
        this.#next();
      },
    );
  }

  /** Whether that has opened the breaker. */
  #failed({ key, client }: Flight<Value>, error: unknown, era: number): boolean {
    if (error instanceof SiteFailure && error.isOf === 'question') return this.#turn({ kind: 'answered', era });
    this.#suspects.failed(client);
    const isSure = this.#known.delete(key) || (error instanceof SiteFailure && error.isOf === 'site');
    const nowMs = this.#parts.clock.monotonicMs();
    return this.#turn({ kind: 'failed', era, nowMs, client: isSure ? undefined : client }, error);
  }

  /** Lets those in whose turn it is; whoever has waited too long, or would find a closed door, goes without. */
  #next(): void {
    const { concurrentMax, queueTimeoutMs } = this.#settings;
    while (this.#underWay.size < concurrentMax) {
      const flight = this.#waiting.take();
      if (flight === undefined) return;
      const nowMs = this.#parts.clock.monotonicMs();
      if (this.#passes(flight.client, nowMs) && nowMs - flight.queuedMs <= queueTimeoutMs) this.#begin(flight);
      else this.#fail(flight);
    }
  }

  #settle(flight: Flight<Value>, { value, user, isPositive, freshUntilMs }: SiteAnswer<Value>): void {
    const { key } = flight;
    this.#flights.delete(key);
    this.#positive.delete(key);
    this.#negative.delete(key);
    if (isPositive) this.#positive.set(key, user, value, freshUntilMs);
    else if (freshUntilMs > this.#parts.clock.nowMs()) this.#negative.set(key, user, value, freshUntilMs);
    flight.resolve(value);
  }

  #fail(flight: Flight<Value>): void {
    this.#flights.delete(flight.key);
    try {
      flight.resolve(this.#withoutSite(flight.key, flight.heldUntilMs));
    } catch (error) {
      flight.reject(error);
    }
  }

  /** What was known, as long as there is grace. @throws PolycastError `identity_unavailable` */
  #withoutSite(key: string, heldUntilMs: number): Value {
    const nowMs = this.#parts.clock.nowMs();
    const { retryAfterMs } = this.#settings;
    const kept = this.#positive.get(key, nowMs);
    if (kept === undefined) {
      this.figures.unavailable++;
      throw this.#unavailable();
    }
    this.figures.graced++;
    if (kept.gracedUntilMs > Math.max(heldUntilMs, nowMs + retryAfterMs / 2)) return kept.value;
    kept.gracedUntilMs = Math.min(this.#positive.graceEndMs(kept), Math.max(nowMs, kept.freshUntilMs) + retryAfterMs);
    kept.value = this.#parts.extend(kept.value, kept.gracedUntilMs);
    return kept.value;
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
  #turn(input: BreakerInput, error?: unknown): boolean {
    const { failuresMax, retryAfterMs } = this.#settings;
    const before = this.#breaker.kind;
    this.#breaker = step(this.#breaker, input, {
      failuresMax,
      openMs: retryAfterMs,
      opensFor: this.#known.newest === undefined ? 'clients' : 'sure',
    });
    if (this.#breaker.kind === 'closed' && before !== 'closed') this.#parts.turned?.('closed');
    if (this.#breaker.kind !== 'open' || before !== 'closed') return false;
    this.#parts.turned?.('open', error);
    return true;
  }
}

/** How often a question is asked whose answer has been taken back meanwhile. */
const ATTEMPTS_MAX = 3;

/** A question on its way, and all who wait for its answer. */
interface Flight<Value> {
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
  heldUntilMs: number;
  /** Users to be forgotten since it was sent. */
  forgotten: Set<string> | undefined;
}

function newFlight<Value>(
  key: string,
  body: string,
  client: string,
  queuedMs: number,
  heldUntilMs: number,
): Flight<Value> {
  return {
    key,
    body,
    client,
    queuedMs,
    heldUntilMs,
    attempts: 0,
    forgotten: undefined,
    ...Promise.withResolvers<Value>(),
  };
}
