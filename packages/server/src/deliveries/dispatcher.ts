import { performance } from 'node:perf_hooks';
import type { Clock, Random, StoredRecord } from '../core/ports.ts';
import type { SubscriptionDefinition, WebhookDelivery } from '../core/subscription/definition.ts';
import { Pace } from '../core/subscription/pace.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type {
  DeadLetter,
  SendRequest,
  Sender,
  Sent,
  StoreChange,
  SubscriptionStore,
} from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import { retryDelayMs, withJitter } from '../core/subscription/retry.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { Alarm } from './alarm.ts';
import { Courtesy } from './courtesy.ts';
import { deadGapOf, isGap, type DeadGap } from './gap.ts';
import { attemptOf, type Flight } from './flight.ts';
import type { Line, LineOwner } from './line.ts';
import type { Notes } from './notes.ts';
import { Turns } from './turns.ts';
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
  /** Told how long each request took, in milliseconds. */
  readonly answered: (durationMs: number) => void;
  /** Events written to live consumers, in all. */
  readonly liveEvents: () => number;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Told of what changes a subscription's standing. */
export interface Verdicts {
  /** Nothing but failures since `standing.failingSinceMs`; told of each failure. */
  failed(line: Line): void;
  succeeded(line: Line): void;
  gone(line: Line): void;
  deadLetter(line: Line, letter: DeadLetter): void;
  deadGap(line: Line, gap: DeadGap): void;
}

/** Events in memory for each request that may be under way: enough that channels follow on each other. */
const HELD_PER_REQUEST = 8;
/** Open events of an endpoint at which everything fails: enough to find out when it is back. */
const FAILING_OPEN_MAX = 16;
/** Open events of a replay, which are in memory alone. */
const REPLAY_OPEN_MAX = 256;
/** How soon a line looks again that has given way. */
const GIVING_WAY_MS = 5;
/** How soon a store that is behind is asked again. */
const BEHIND_MS = 100;

/** What has been counted since it began. */
export interface DispatcherFigures {
  readonly outcomes: Record<string, number>;
  events: number;
  retries: number;
  deadLetters: number;
}

/**
 * Sends webhooks: takes lines in turn, begins as many requests of each as its endpoint takes, and sees to what comes of them. What is
 * known to go well has room kept for it from what is not.
 */
export class Dispatcher implements LineOwner {
  readonly #parts: DispatcherParts;
  readonly #turns: Turns;
  readonly #alarm: Alarm;
  readonly #courtesy: Courtesy;
  #attemptNumber: number;
  readonly figures: DispatcherFigures = { outcomes: {}, events: 0, retries: 0, deadLetters: 0 };

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#attemptNumber = parts.store.lastAttempt;
    this.#turns = new Turns(parts.settings.requestsMax, (line, quantum) => this.#serve(line, quantum));
    this.#courtesy = new Courtesy({
      nowMs: () => performance.now(),
      idleMs: () => performance.eventLoopUtilization().idle,
      liveEvents: parts.liveEvents,
    });
    this.#alarm = new Alarm(parts.clock, parts.speed, (line) => this.ready(line));
  }

  get inFlight(): number {
    return this.#turns.inFlight;
  }

  /** Puts it on the list; what is to be done for it is found out when its turn comes. */
  ready(line: Line): void {
    this.#turns.ready(line);
  }

  woken(line: Line): void {
    this.#turns.woken(line);
  }

  /** Takes a line off: nothing more is begun for it, and what is under way no longer counts. */
  remove(line: Line): void {
    this.#alarm.remove(line);
    this.#parts.notes.forget(line);
  }

  /** From now on it is only tried now and then. */
  suspend(line: Line): void {
    const { clock, random, settings } = this.#parts;
    line.probeMs = clock.nowMs() + withJitter(settings.probeSeconds * 1000, random.fraction());
    this.ready(line);
  }

  /** The number of an attempt that is made now. */
  nextAttempt(): number {
    return ++this.#attemptNumber;
  }

  /** Begins nothing more; resolves when nothing is under way, or when the time is over. */
  close(timeMs: number): Promise<void> {
    this.#alarm.close();
    return this.#turns.close(timeMs);
  }

  /** Begins what may be begun for a line; says how many requests. */
  #serve(line: Line, quantum: number): number {
    const { root } = line;
    const nowMs = this.#parts.clock.nowMs();
    if (root.standing.state === 'suspended') return line === root ? this.#probe(line, nowMs) : 0;
    if (!root.isActive || line.isQuiet()) return 0;
    const pace = this.#paceOf(root);
    const { progress } = line;
    progress.advance(nowMs);
    const room = this.#parts.store.isBehind ? 0 : Math.min(quantum, pace.room(root.inFlight, nowMs));
    const begun = room > 0 ? this.#fillRoom(line, progress, pace, room, nowMs) : 0;
    if (room <= 0) line.readLanes();
    this.#comeBack(line, progress, pace, begun === quantum, nowMs);
    // Thousands may have been woken for nothing, or have just begun.
    if (begun === 0 && line.isLive && line === root) line.rest();
    // A replay may come to its end without anything coming back.
    if (line.replayOf?.replay.isDone === false && line.isThrough && progress.size === 0) this.#parts.notes.touch(line);
    return begun;
  }

  #fillRoom(line: Line, progress: Progress, pace: Pace, room: number, nowMs: number): number {
    const { settings } = this.#parts;
    const { batch } = line.definition.delivery as WebhookDelivery;
    const heldMax = Math.max(pace.limit * HELD_PER_REQUEST, (batch?.countMax ?? 0) * 2);
    const openMax = Math.min(
      settings.openEventsMax,
      pace.isFailing ? FAILING_OPEN_MAX : line === line.root ? Infinity : REPLAY_OPEN_MAX,
    );
    line.fill(heldMax, openMax);
    const startedMs = performance.now();
    // What keeps up goes at once; what catches up gives way to those who are live.
    const isBehind = !line.isLive;
    const allowed = isBehind ? Math.min(room, this.#courtesy.room()) : room;
    let begun = 0;
    while (begun < allowed) {
      const lanes = batch === undefined ? one(progress.next()) : this.#gather(line, progress, batch, nowMs);
      if (lanes !== undefined) {
        this.#begin(line, progress, lanes, nowMs);
        begun++;
      } else if (!progress.hasReady && progress.heldCount >= heldMax && progress.relieve()) line.fill(heldMax, openMax);
      else break;
    }
    if (isBehind) this.#courtesy.begun(begun, performance.now() - startedMs);
    if (allowed < room) line.isGivingWay = true;
    // So much is open that nothing new is taken up, and nothing is due: one of it shows whether the endpoint is back.
    if (begun === 0 && pace.isFailing && line.inFlight === 0 && progress.waiting >= openMax) {
      line.probing = progress.probe();
      line.readLanes();
    }
    return begun;
  }

  /** The lanes of the next batch, if it is full or has been waited for long enough. */
  #gather(
    line: Line,
    progress: Progress,
    { countMax, waitMs }: NonNullable<WebhookDelivery['batch']>,
    nowMs: number,
  ): readonly Lane[] | undefined {
    if (!progress.hasReady) {
      line.gatheringMs = 0;
      return undefined;
    }
    if (line.gatheringMs === 0) line.gatheringMs = nowMs;
    if (nowMs < line.gatheringMs + waitMs && progress.countReady(countMax) < countMax) return undefined;
    line.gatheringMs = 0;
    const lanes: Lane[] = [];
    for (let count = 0; count < countMax;) {
      const lane = progress.next(countMax - count);
      if (lane === undefined) break;
      lanes.push(lane);
      count += lane.span;
    }
    return lanes;
  }

  /** Tries a suspended endpoint with its oldest event, now and then. */
  #probe(line: Line, nowMs: number): number {
    if (line.inFlight > 0) return 0;
    if (this.#parts.store.isBehind) line.probeMs = Math.max(line.probeMs, nowMs + BEHIND_MS);
    if (nowMs < line.probeMs) {
      this.#alarm.set(line, line.probeMs);
      return 0;
    }
    const { progress } = line;
    line.readLanes();
    // What it was to be tried with could not be read.
    if (line.probing?.phase === 'waiting') line.probing = undefined;
    let lane = progress.next();
    if (lane === undefined && line.probing === undefined) {
      line.probing = progress.probe();
      if (line.probing === undefined) line.fill(1, Infinity);
      else line.readLanes();
      lane = progress.next();
    }
    if (lane === undefined) return 0;
    line.probing = lane;
    this.#begin(line, progress, [lane], nowMs);
    return 1;
  }

  /** When the line is looked at again, though nothing comes back and nothing is published. */
  #comeBack(line: Line, progress: Progress, pace: Pace, isCut: boolean, nowMs: number): void {
    const { inFlight } = line.root;
    if (isCut && pace.room(inFlight, nowMs) > 0) return this.ready(line);
    const mayTake = !line.isLive && !line.isReading && !progress.isHeldUp;
    const hasMore = progress.hasReady || (mayTake && progress.waiting < this.#parts.settings.openEventsMax);
    let nextMs = Math.max(progress.nextMs, pace.restUntilMs);
    if (hasMore) nextMs = Math.min(nextMs, pace.nextMs(inFlight, nowMs));
    if (line.gatheringMs > 0) {
      const { batch } = line.definition.delivery as WebhookDelivery;
      nextMs = Math.min(nextMs, line.gatheringMs + (batch?.waitMs ?? 0));
    }
    // Held back by something that tells nobody when it is over: it is asked again.
    if (line.isGivingWay || (hasMore && this.#parts.store.isBehind)) nextMs = Math.min(nextMs, nowMs);
    // What it could do now it has just not done: something else has to happen first.
    const againMs = line.isGivingWay ? GIVING_WAY_MS : BEHIND_MS;
    line.isGivingWay = false;
    this.#alarm.set(line, nextMs <= nowMs ? nowMs + againMs : nextMs);
  }

  #paceOf(line: Line): Pace {
    return (line.pace ??= this.#newPace(line));
  }

  #newPace({ definition, standing }: Line): Pace {
    const { concurrencyMax, ratePerSecond } = definition;
    const { restUntilMs = 0, failingSinceMs } = standing;
    const nowMs = this.#parts.clock.nowMs();
    const pace = new Pace(concurrencyMax, ratePerSecond);
    // As if what was answered before a restart had been answered now.
    if (nowMs < restUntilMs) pace.failed('overrun', nowMs, nowMs, failingSinceMs ?? nowMs, restUntilMs - nowMs);
    return pace;
  }

  #begin(line: Line, progress: Progress, lanes: readonly Lane[], nowMs: number): void {
    const { sender, epoch, logger, notes } = this.#parts;
    const { root } = line;
    const pace = this.#paceOf(root);
    const records: StoredRecord[] = [];
    for (const lane of lanes) progress.handedOut(lane, records);
    if (lanes.length > 1) records.sort(byPosition);
    if (isUntold(line.definition, records)) {
      for (const lane of lanes) progress.done(lane);
      notes.touch(line);
      return this.ready(line);
    }
    const [first] = lanes;
    const isProbe = first === line.probing;
    line.probing = undefined;
    let request: SendRequest;
    try {
      request = requestOf(line.definition, records, epoch, nowMs);
    } catch (error) {
      // It must not happen; if it does, others are not held up by it.
      logger.warn({ subscription: line.id, error: String(error) }, 'a webhook could not be put together');
      for (const lane of lanes) progress.putBack(lane, nowMs + BROKEN_MS);
      return;
    }
    const isDoubtful = !pace.isProven;
    const flight: Flight = { line, progress, lanes, records, request, begunMs: nowMs, isDoubtful, isProbe };
    root.inFlight++;
    this.#turns.begun(isDoubtful);
    pace.begun(records.length);
    sender.send(request).then((sent) => this.#landed(flight, sent));
  }

  #landed(flight: Flight, sent: Sent): void {
    const { line, isDoubtful } = flight;
    const { clock, notes, store, epoch } = this.#parts;
    const { root } = line;
    const nowMs = clock.nowMs();
    root.inFlight--;
    this.#turns.landed(isDoubtful);
    const judgement = judge(sent, nowMs);
    const isDelivered = judgement.outcome === 'delivered';
    this.#count(flight, judgement, sent);
    const changes: StoreChange[] = [];
    if (store.keepsAttempt(root.id, isDelivered))
      changes.push({ kind: 'attempt', attempt: attemptOf(flight, epoch, this.nextAttempt(), sent, judgement) });
    if (isDelivered) this.#delivered(flight, nowMs);
    else this.#failed(flight, judgement, sent, nowMs, changes);
    if (changes.length > 0) store.note(changes);
    if (root.standing.state !== 'ended') notes.touch(line);
    // What has come back leaves room for the others that share it first, so that they take turns.
    if (root !== line) this.ready(root);
    if (root.replays !== undefined) for (const replay of root.replays) if (replay !== line) this.ready(replay);
    this.ready(line);
    this.#turns.goOn();
  }

  #delivered({ line, progress, lanes }: Flight, nowMs: number): void {
    const { root } = line;
    const pace = this.#paceOf(root);
    const wasFailing = pace.isFailing;
    for (const lane of lanes) progress.done(lane);
    pace.succeeded(nowMs);
    const { state, failingSinceMs } = root.standing;
    // What has waited for it to come back need not wait any longer.
    if (wasFailing || state === 'suspended') progress.hurry(nowMs);
    if (state === 'suspended') pace.healed(nowMs);
    if (failingSinceMs === undefined) return;
    root.standing = { ...root.standing, failingSinceMs: undefined };
    this.#parts.verdicts.succeeded(root);
  }

  #failed(flight: Flight, judgement: Judgement, sent: Sent, nowMs: number, changes: StoreChange[]): void {
    const { line, progress, lanes, begunMs, isProbe } = flight;
    const { random, verdicts, settings } = this.#parts;
    const { root } = line;
    const { retryDelaysMs } = line.definition.delivery as WebhookDelivery;
    if (judgement.outcome === 'gone') {
      for (const lane of lanes) progress.putBack(lane, nowMs);
      return verdicts.gone(root);
    }
    const failingSinceMs = root.standing.failingSinceMs ?? begunMs;
    if (root.standing.failingSinceMs === undefined) root.standing = { ...root.standing, failingSinceMs };
    const going = judgement.going as 'refused' | 'overrun';
    this.#paceOf(root).failed(going, begunMs, nowMs, failingSinceMs, judgement.retryAfterMs);
    if (going === 'overrun' && judgement.retryAfterMs !== undefined) this.#rest(root, nowMs + judgement.retryAfterMs);
    root.probeMs = nowMs + withJitter(settings.probeSeconds * 1000, random.fraction());
    for (const lane of lanes) {
      const delayMs = retryDelayMs(retryDelaysMs, lane.attempts, random.fraction(), judgement.retryAfterMs);
      if (isProbe) progress.putBack(lane, Math.max(lane.dueMs, nowMs + PROBED_MS));
      else if (delayMs === undefined) this.#giveUp(line, progress, lane, judgement, sent, nowMs, changes);
      else progress.retry(lane, nowMs + delayMs);
    }
    verdicts.failed(root);
  }

  /** It is to be left alone until then, also by the next hub. */
  #rest(root: Line, untilMs: number): void {
    if (untilMs <= (root.standing.restUntilMs ?? 0)) return;
    root.standing = { ...root.standing, restUntilMs: untilMs };
    this.#parts.notes.touch(root);
  }

  #giveUp(
    line: Line,
    progress: Progress,
    lane: Lane,
    { outcome }: Judgement,
    sent: Sent,
    nowMs: number,
    changes: StoreChange[],
  ): void {
    const { position, channel, attempts, record } = lane;
    const { root } = line;
    progress.done(lane);
    // What is lost already is no letter to anybody; that it is not known is told.
    if (record !== undefined && isGap(record))
      return this.#parts.verdicts.deadGap(root, deadGapOf(record, attempts, outcome));
    const deadLetter: DeadLetter = {
      subscription: root.id,
      epoch: this.#parts.epoch,
      position,
      channel,
      attempts,
      sinceMs: nowMs,
      outcome,
      detail: detailOf(sent),
    };
    root.deadLetters++;
    this.figures.deadLetters++;
    changes.push({ kind: 'dead_letter', deadLetter }, ...this.#parts.notes.changesOf(line));
    this.#parts.verdicts.deadLetter(root, deadLetter);
  }

  #count({ lanes }: Flight, { outcome }: Judgement, sent: Sent): void {
    const { outcomes } = this.figures;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    for (const { span, attempts } of lanes) {
      if (outcome === 'delivered') this.figures.events += span;
      if (attempts > 1) this.figures.retries++;
    }
    this.#parts.answered(sent.timing.totalMs);
  }
}

/** How soon what could not be put together is looked at again. */
const BROKEN_MS = 60_000;
/** The least time from a probe to the next attempt with the same event. */
const PROBED_MS = 1000;

/** In words, for a dead letter, which has no response beside it; of an answer from inside nothing is told (PROTOCOL.md section 14.3). */
function detailOf({ detail, answer, isInside }: Sent): string {
  return detail === '' && answer !== undefined && !isInside ? `It answered ${answer.status}.` : detail;
}

function one(lane: Lane | undefined): readonly Lane[] | undefined {
  return lane === undefined ? undefined : [lane];
}

function byPosition(first: StoredRecord, second: StoredRecord): number {
  return first.position - second.position;
}

/** A subscriber of WebSub is sent the topic's content, and nothing else (PROTOCOL.md section 14.7). */
function isUntold({ delivery }: SubscriptionDefinition, records: readonly StoredRecord[]): boolean {
  return delivery.kind === 'webhook' && delivery.dialect === 'websub' && records.every(isGap);
}
