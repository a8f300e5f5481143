import { performance } from 'node:perf_hooks';
import type { Clock, StoredRecord } from '../core/ports.ts';
import type { SubscriptionDefinition, WebhookDelivery } from '../core/subscription/definition.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type { Pace } from '../core/subscription/pace.ts';
import type { Sender, Sent } from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import { withJitter } from '../core/subscription/retry.ts';
import { Alarm } from './alarm.ts';
import { assemble, recordsOf, type Broken } from './assemble.ts';
import { Courtesy } from './courtesy.ts';
import type { Flight } from './flight.ts';
import type { InFlight } from './in-flight-file.ts';
import { isGap } from './gap.ts';
import { Landings, type LandingFigures, type LandingsParts } from './landings.ts';
import type { Line, LineOwner } from './line.ts';
import { paceOf } from './pace-of.ts';
import type { Quarantine } from './quarantine.ts';
import { Turns } from './turns.ts';

export interface DispatcherParts extends LandingsParts {
  readonly sender: Sender;
  readonly clock: Clock;
  readonly inFlight: InFlight;
  readonly quarantine: Quarantine;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  /** Events written to live consumers, in all. */
  readonly liveEvents: () => number;
  readonly logger: { warn(fields: object, message: string): void };
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

/**
 * Sends webhooks: takes lines in turn, and begins as many requests of each as its endpoint takes. What is known to go well has room kept
 * for it from what is not.
 */
export class Dispatcher implements LineOwner {
  readonly #parts: DispatcherParts;
  readonly #turns: Turns;
  readonly #alarm: Alarm;
  readonly #courtesy: Courtesy;
  readonly #landings: Landings;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.settings.requestsMax, (line, quantum) => this.#serve(line, quantum));
    this.#courtesy = new Courtesy({
      nowMs: () => performance.now(),
      idleMs: () => performance.eventLoopUtilization().idle,
      liveEvents: parts.liveEvents,
    });
    this.#alarm = new Alarm(parts.clock, parts.speed, (line) => this.ready(line));
    this.#landings = new Landings(parts);
  }

  get figures(): LandingFigures {
    return this.#landings.figures;
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

  /** Begins nothing more; resolves when nothing is under way, or when the time is over. */
  close(timeMs: number): Promise<void> {
    this.#alarm.close();
    return this.#turns.close(timeMs);
  }

  /** Begins what may be begun for a line; says how many requests. */
  #serve(line: Line, quantum: number): number {
    const { root } = line;
    const { quarantine } = this.#parts;
    if (quarantine.size > 0 && quarantine.isHeld(root)) return 0;
    const nowMs = this.#parts.clock.nowMs();
    if (root.standing.state === 'suspended') return line === root ? this.#probe(line, nowMs) : 0;
    if (!root.isActive || line.isQuiet()) return 0;
    const pace = paceOf(root, nowMs);
    const { progress } = line;
    progress.advance(nowMs);
    const most = quarantine.size > 0 ? quarantine.room(root, quantum) : quantum;
    const room = this.#parts.store.isBehind ? 0 : Math.min(most, pace.room(root.inFlight, nowMs));
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

  #begin(line: Line, progress: Progress, lanes: readonly Lane[], nowMs: number): void {
    const { sender, epoch, notes, inFlight } = this.#parts;
    const { root } = line;
    if (!lanes.every(({ channel }) => line.hasChannel(channel))) return this.#leaveOut(line, progress, lanes, nowMs);
    const pace = paceOf(root, nowMs);
    const records = recordsOf(progress, lanes);
    if (isUntold(line.definition, records)) {
      for (const lane of lanes) progress.done(lane);
      notes.touch(line);
      return this.ready(line);
    }
    const [first] = lanes;
    const isProbe = first === line.probing;
    line.probing = undefined;
    const assembled = assemble(line.definition, progress, lanes, records, epoch, nowMs);
    if ('broken' in assembled) return this.#giveUp(line, progress, lanes, assembled, nowMs);
    const { request } = assembled;
    const isDoubtful = !pace.isProven;
    const slot = inFlight.began(root.id, (records[0] as StoredRecord).position);
    const flight: Flight = { line, progress, lanes, records, request, begunMs: nowMs, isDoubtful, isProbe, slot };
    root.inFlight++;
    this.#turns.begun(isDoubtful);
    pace.begun(records.length);
    sender.send(request).then((sent) => this.#landed(flight, sent));
  }

  /** What is of channels that the subscription no longer has is sent nowhere; what was to go with it goes without it. */
  #leaveOut(line: Line, progress: Progress, lanes: readonly Lane[], nowMs: number): void {
    const { deadLetters, notes } = this.#parts;
    const others = lanes.filter(({ channel }) => line.hasChannel(channel));
    for (const lane of lanes) {
      if (others.includes(lane)) continue;
      if (lane === line.probing) line.probing = undefined;
      deadLetters.leaveOut(line, progress, lane, nowMs);
    }
    if (others.length > 0) return this.#begin(line, progress, others, nowMs);
    notes.touch(line);
    this.ready(line);
  }

  /** What can never be sent is a dead letter at once, and holds up nothing; what was to go with it goes without it. */
  #giveUp(line: Line, progress: Progress, lanes: readonly Lane[], { broken, error }: Broken, nowMs: number): void {
    const { deadLetters, logger, notes } = this.#parts;
    logger.warn({ subscription: line.id, error: String(error) }, 'no webhook can be made of an event');
    for (const lane of broken)
      deadLetters.giveUp(line, progress, lane, 'request', `No request can be made of it: ${String(error)}`, nowMs);
    const others = lanes.filter((lane) => !broken.includes(lane));
    if (others.length > 0) return this.#begin(line, progress, others, nowMs);
    notes.touch(line);
    this.ready(line);
  }

  #landed(flight: Flight, sent: Sent): void {
    const { line, isDoubtful, slot, records } = flight;
    const { root } = line;
    const { inFlight, quarantine } = this.#parts;
    inFlight.ended(slot);
    if (quarantine.size > 0)
      quarantine.landed(
        root,
        records.map(({ position }) => position),
      );
    root.inFlight--;
    this.#turns.landed(isDoubtful);
    this.#landings.landed(flight, sent, this.#parts.clock.nowMs());
    // What has come back leaves room for the others that share it first, so that they take turns.
    if (root !== line) this.ready(root);
    if (root.replays !== undefined) for (const replay of root.replays) if (replay !== line) this.ready(replay);
    this.ready(line);
    this.#turns.goOn();
  }
}

function one(lane: Lane | undefined): readonly Lane[] | undefined {
  return lane === undefined ? undefined : [lane];
}

/** A subscriber of WebSub is sent the topic's content, and nothing else (PROTOCOL.md section 14.7). */
function isUntold({ delivery }: SubscriptionDefinition, records: readonly StoredRecord[]): boolean {
  return delivery.kind === 'webhook' && delivery.dialect === 'websub' && records.every(isGap);
}
