import type { Clock, Random, StoredRecord } from '../core/ports.ts';
import type { WebhookDelivery } from '../core/subscription/definition.ts';
import { Pace } from '../core/subscription/pace.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type {
  Attempt,
  DeadLetter,
  SendRequest,
  Sender,
  Sent,
  StoreChange,
  SubscriptionStore,
} from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import { Queue } from '../core/subscription/queue.ts';
import { retryDelayMs, withJitter } from '../core/subscription/retry.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { Alarm } from './alarm.ts';
import type { Line, LineOwner } from './line.ts';
import type { Notes } from './notes.ts';
import { judge, type Judgement } from './webhook/outcome.ts';
import { requestOf } from './webhook/request.ts';

export interface DispatcherParts {
  readonly epoch: string;
  readonly sender: Sender;
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly clock: Clock;
  readonly random: Random;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  readonly settings: SubscriptionSettings;
  readonly verdicts: Verdicts;
}

/** Told of what changes a subscription's standing. */
export interface Verdicts {
  /** Nothing but failures since `standing.failingSinceMs`; told of each failure. */
  failed(line: Line): void;
  succeeded(line: Line): void;
  gone(line: Line): void;
  deadLetter(line: Line, letter: DeadLetter): void;
}

/** Requests begun in one turn of the event loop, so that those who are live have theirs. */
const SENDS_PER_TURN = 64;
/** Lines looked at in one. */
const LINES_PER_TURN = 256;
/** Requests that one line begins before it is another's turn. */
const QUANTUM = 16;
/** Events in memory for each request that may be under way: enough that channels follow on each other. */
const HELD_PER_REQUEST = 8;
/** Open events of an endpoint at which everything fails: enough to find out when it is back. */
const FAILING_OPEN_MAX = 16;
/** Requests to endpoints of which nothing good is known yet, or any more, as a part of all. */
const DOUBTFUL_PART = 0.75;
/** How soon a store that is behind is asked again. */
const BEHIND_MS = 100;

/** A request under way. */
interface Flight {
  readonly line: Line;
  readonly progress: Progress;
  readonly lane: Lane;
  readonly request: SendRequest;
  readonly begunMs: number;
  readonly isDoubtful: boolean;
  readonly isProbe: boolean;
}

/** What has been counted since it began. */
export interface DispatcherFigures {
  readonly outcomes: Record<string, number>;
  events: number;
  retries: number;
  deadLetters: number;
  answerMs: number;
}

/**
 * Sends webhooks: takes lines in turn, begins as many requests of each as its endpoint takes, and sees to what comes of them. What is
 * known to go well has room kept for it from what is not.
 */
export class Dispatcher implements LineOwner {
  readonly #parts: DispatcherParts;
  readonly #proven = new Queue<Line>();
  readonly #doubtful = new Queue<Line>();
  readonly #alarm: Alarm;
  readonly #doubtfulMax: number;
  readonly #settled: (() => void)[] = [];
  #inFlight = 0;
  #doubtfulInFlight = 0;
  #isScheduled = false;
  #isClosed = false;
  #picks = 0;
  #attemptNumber: number;
  readonly figures: DispatcherFigures = { outcomes: {}, events: 0, retries: 0, deadLetters: 0, answerMs: 0 };

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#attemptNumber = parts.store.lastAttempt;
    this.#doubtfulMax = Math.max(1, Math.floor(parts.settings.requestsMax * DOUBTFUL_PART));
    this.#alarm = new Alarm(parts.clock, parts.speed, (line) => this.ready(line));
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Puts it on the list; what is to be done for it is found out when its turn comes. */
  ready(line: Line): void {
    if (line.isListed || this.#isClosed) return;
    line.isListed = true;
    (line.pace?.isProven === true ? this.#proven : this.#doubtful).push(line);
    this.#schedule();
  }

  /** Takes a line off: nothing more is begun for it, and what is under way no longer counts. */
  remove(line: Line): void {
    this.#alarm.remove(line);
    this.#parts.notes.forget(line);
  }

  nextAttempt(): number {
    return ++this.#attemptNumber;
  }

  /** Begins nothing more; resolves when nothing is under way, or when the time is over. */
  async close(timeMs: number): Promise<void> {
    this.#isClosed = true;
    this.#alarm.close();
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeMs);
      this.#settled.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    let left = SENDS_PER_TURN;
    for (let looked = 0; left > 0 && looked < LINES_PER_TURN; looked++) {
      const line = this.#pick();
      if (line === undefined) return;
      line.isListed = false;
      left -= this.#serve(line, Math.min(left, QUANTUM));
    }
    if (!this.#isClosed && (this.#proven.length > 0 || this.#doubtful.length > 0)) this.#schedule();
  };

  /** The next line that may begin something; most turns are for those that are known to go well. */
  #pick(): Line | undefined {
    if (this.#isClosed || this.#inFlight >= this.#parts.settings.requestsMax) return undefined;
    const mayDoubt = this.#doubtful.length > 0 && this.#doubtfulInFlight < this.#doubtfulMax;
    if (mayDoubt && (this.#proven.length === 0 || ++this.#picks % 4 === 0)) return this.#doubtful.shift();
    return this.#proven.shift();
  }

  /** Begins what may be begun for a line; says how many requests. */
  #serve(line: Line, quantum: number): number {
    if (!line.isActive) return 0;
    const { store, settings, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const { progress } = line;
    const pace = (line.pace ??= new Pace(line.definition.concurrencyMax, line.definition.ratePerSecond));
    progress.advance(nowMs);
    const room = store.isBehind ? 0 : Math.min(quantum, pace.room(line.inFlight, nowMs));
    let begun = 0;
    if (room > 0) {
      const heldMax = pace.limit * HELD_PER_REQUEST;
      const openMax = pace.isFailing ? Math.min(FAILING_OPEN_MAX, settings.openEventsMax) : settings.openEventsMax;
      line.fill(heldMax, openMax);
      while (begun < room) {
        const lane = progress.next();
        if (lane !== undefined) {
          this.#begin(line, progress, lane, nowMs, false);
          begun++;
        } else if (progress.heldCount >= heldMax && progress.relieve()) line.fill(heldMax, openMax);
        else break;
      }
    } else line.readLanes();
    this.#comeBack(line, progress, pace, begun === quantum, nowMs);
    return begun;
  }

  /** When the line is looked at again, though nothing comes back and nothing is published. */
  #comeBack(line: Line, progress: Progress, pace: Pace, isCut: boolean, nowMs: number): void {
    if (isCut && pace.room(line.inFlight, nowMs) > 0) return this.ready(line);
    const hasMore = progress.hasReady || (!line.isLive && !line.isReading);
    let nextMs = Math.max(progress.nextMs, pace.restUntilMs);
    if (hasMore) nextMs = Math.min(nextMs, pace.nextMs(line.inFlight, nowMs));
    if (this.#parts.store.isBehind) nextMs = Math.min(nextMs, nowMs + BEHIND_MS);
    // What it could do now it has just not done: something else has to happen first.
    this.#alarm.set(line, nextMs <= nowMs ? nowMs + BEHIND_MS : nextMs);
  }

  #begin(line: Line, progress: Progress, lane: Lane, nowMs: number, isProbe: boolean): void {
    const { sender, epoch } = this.#parts;
    const pace = line.pace as Pace;
    const records: StoredRecord[] = [];
    progress.handedOut(lane, records);
    const request = requestOf(line.definition, records, epoch, nowMs);
    const isDoubtful = !pace.isProven;
    const flight: Flight = { line, progress, lane, request, begunMs: nowMs, isDoubtful, isProbe };
    line.inFlight++;
    this.#inFlight++;
    if (isDoubtful) this.#doubtfulInFlight++;
    pace.begun(records.length);
    sender.send(request).then((sent) => this.#landed(flight, sent));
  }

  #landed(flight: Flight, sent: Sent): void {
    const { line, progress, lane, isDoubtful } = flight;
    const { clock, notes, store } = this.#parts;
    const nowMs = clock.nowMs();
    line.inFlight--;
    this.#inFlight--;
    if (isDoubtful) this.#doubtfulInFlight--;
    const judgement = judge(sent, nowMs);
    const isDelivered = judgement.outcome === 'delivered';
    this.#count(flight, judgement, sent);
    const changes: StoreChange[] = [];
    if (store.keepsAttempt(line.id, isDelivered))
      changes.push({ kind: 'attempt', attempt: this.#attemptOf(flight, sent, judgement) });
    if (isDelivered) this.#delivered(flight, nowMs);
    else this.#failed(flight, judgement, sent, nowMs, changes);
    if (changes.length > 0) store.note(changes);
    if (progress === line.progress && lane.phase !== 'flying') notes.touch(line);
    this.ready(line);
    if (this.#proven.length > 0 || this.#doubtful.length > 0) this.#schedule();
    if (this.#inFlight === 0) for (const settled of this.#settled.splice(0)) settled();
  }

  #delivered({ line, progress, lane }: Flight, nowMs: number): void {
    const pace = line.pace as Pace;
    const wasFailing = pace.isFailing;
    progress.done(lane);
    pace.succeeded(nowMs);
    if (line.standing.failingSinceMs !== undefined) line.standing = { ...line.standing, failingSinceMs: undefined };
    // What has waited for it to come back need not wait any longer.
    if (wasFailing) progress.hurry(nowMs);
    this.#parts.verdicts.succeeded(line);
  }

  #failed(flight: Flight, judgement: Judgement, sent: Sent, nowMs: number, changes: StoreChange[]): void {
    const { line, progress, lane, begunMs, isProbe } = flight;
    const { random, verdicts } = this.#parts;
    const { retryDelaysMs } = line.definition.delivery as WebhookDelivery;
    if (judgement.outcome === 'gone') {
      progress.putBack(lane, nowMs);
      return verdicts.gone(line);
    }
    const failingSinceMs = line.standing.failingSinceMs ?? begunMs;
    if (line.standing.failingSinceMs === undefined) line.standing = { ...line.standing, failingSinceMs };
    const going = judgement.going as 'refused' | 'overrun';
    line.pace?.failed(going, begunMs, nowMs, failingSinceMs, judgement.retryAfterMs);
    if (isProbe)
      progress.putBack(lane, nowMs + withJitter(this.#parts.settings.probeSeconds * 1000, random.fraction()));
    else {
      const delayMs = retryDelayMs(retryDelaysMs, lane.attempts, random.fraction(), judgement.retryAfterMs);
      if (delayMs === undefined) this.#giveUp(flight, judgement, sent, nowMs, changes);
      else progress.retry(lane, nowMs + delayMs);
    }
    verdicts.failed(line);
  }

  #giveUp(
    { line, progress, lane }: Flight,
    { outcome }: Judgement,
    sent: Sent,
    nowMs: number,
    changes: StoreChange[],
  ): void {
    const { position, channel, attempts } = lane;
    const deadLetter: DeadLetter = {
      subscription: line.id,
      position,
      channel,
      attempts,
      sinceMs: nowMs,
      outcome,
      detail: sent.detail,
    };
    progress.done(lane);
    line.deadLetters++;
    this.figures.deadLetters++;
    changes.push({ kind: 'dead_letter', deadLetter }, ...this.#parts.notes.changesOf(line));
    this.#parts.verdicts.deadLetter(line, deadLetter);
  }

  #count({ lane }: Flight, { outcome }: Judgement, sent: Sent): void {
    const { outcomes } = this.figures;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (outcome === 'delivered') this.figures.events += lane.span;
    if (lane.attempts > 1) this.figures.retries++;
    this.figures.answerMs += sent.timing.totalMs;
  }

  #attemptOf({ line, lane, request, begunMs }: Flight, sent: Sent, { outcome }: Judgement): Attempt {
    return {
      subscription: line.id,
      number: this.nextAttempt(),
      position: lane.position,
      count: lane.span,
      attempt: lane.attempts,
      startedMs: begunMs,
      outcome,
      request: { url: request.url, headers: request.headers, bodyBytes: request.body?.length ?? 0 },
      answer: sent.isInside ? undefined : sent.answer,
      timing: sent.timing,
      detail: sent.detail,
    };
  }
}
