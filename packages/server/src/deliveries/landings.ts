import type { Random } from '../core/ports.ts';
import type { WebhookDelivery } from '../core/subscription/definition.ts';
import type { AttemptOutcome, Sent, SubscriptionStore } from '../core/subscription/ports.ts';
import { retryDelayMs, withJitter } from '../core/subscription/retry.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { attemptOf } from './attempt.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Flight } from './flight.ts';
import type { Line } from './line.ts';
import type { Notes } from './notes.ts';
import { paceOf } from './pace-of.ts';
import type { Standings } from './standings.ts';
import { judge, type Judgement } from './webhook/outcome.ts';

export interface LandingsParts {
  readonly epoch: string;
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly random: Random;
  readonly settings: SubscriptionSettings;
  readonly standings: Standings;
  readonly deadLetters: DeadLetters;
  readonly nextAttempt: () => number;
  /** Told how long each request took, in milliseconds. */
  readonly answered: (durationMs: number) => void;
}

/** What has been counted since it began. */
export interface LandingFigures {
  /** Requests by what came of them. */
  readonly outcomes: Record<string, number>;
  events: number;
  retries: number;
}

/** The least time from a probe to the next attempt with the same event. */
const PROBED_MS = 1000;

/** Sees to what comes of requests: for their events, for the endpoint's pace, and for where the subscription stands. */
export class Landings {
  readonly #parts: LandingsParts;
  readonly figures: LandingFigures = { outcomes: {}, events: 0, retries: 0 };

  constructor(parts: LandingsParts) {
    this.#parts = parts;
  }

  landed(flight: Flight, sent: Sent, nowMs: number): void {
    const { notes, store, epoch, nextAttempt } = this.#parts;
    const { root } = flight.line;
    const judgement = judge(sent, nowMs);
    const { outcome } = judgement;
    const isDelivered = outcome === 'delivered';
    this.#count(flight, outcome, sent);
    if (store.keepsAttempt(root.id, isDelivered))
      store.note([{ kind: 'attempt', attempt: attemptOf(flight, epoch, nextAttempt(), sent, outcome) }]);
    if (isDelivered) this.#delivered(flight, nowMs);
    else this.#failed(flight, judgement, sent, nowMs);
    if (root.standing.state !== 'ended') notes.touch(flight.line);
  }

  #delivered({ line, progress, lanes }: Flight, nowMs: number): void {
    const { root } = line;
    const pace = paceOf(root, nowMs);
    const wasFailing = pace.isFailing;
    for (const lane of lanes) progress.done(lane);
    pace.succeeded(nowMs);
    const { state, failingSinceMs } = root.standing;
    // What has waited for it to come back need not wait any longer.
    if (wasFailing || state === 'suspended') progress.hurry(nowMs);
    if (state === 'suspended') pace.healed(nowMs);
    if (failingSinceMs === undefined) return;
    root.standing = { ...root.standing, failingSinceMs: undefined };
    this.#parts.standings.succeeded(root);
  }

  #failed(flight: Flight, judgement: Judgement, sent: Sent, nowMs: number): void {
    const { line, progress, lanes, begunMs, isProbe } = flight;
    const { random, standings, settings, deadLetters } = this.#parts;
    const { root } = line;
    const { retryDelaysMs } = line.definition.delivery as WebhookDelivery;
    const { outcome, retryAfterMs } = judgement;
    if (outcome === 'gone') {
      for (const lane of lanes) progress.putBack(lane, nowMs);
      return standings.gone(root);
    }
    // The endpoint has no part in it, and no time mends it.
    if (outcome === 'request') {
      for (const lane of lanes) deadLetters.giveUp(line, progress, lane, outcome, detailOf(sent), nowMs);
      return;
    }
    const failingSinceMs = root.standing.failingSinceMs ?? begunMs;
    if (root.standing.failingSinceMs === undefined) root.standing = { ...root.standing, failingSinceMs };
    const going = judgement.going as 'refused' | 'overrun';
    paceOf(root, nowMs).failed(going, begunMs, nowMs, failingSinceMs, retryAfterMs);
    if (going === 'overrun' && retryAfterMs !== undefined) this.#rest(root, nowMs + retryAfterMs);
    root.probeMs = nowMs + withJitter(settings.probeSeconds * 1000, random.fraction());
    for (const lane of lanes) {
      const delayMs = retryDelayMs(retryDelaysMs, lane.attempts, random.fraction(), retryAfterMs);
      if (isProbe) progress.putBack(lane, Math.max(lane.dueMs, nowMs + PROBED_MS));
      else if (delayMs === undefined) deadLetters.giveUp(line, progress, lane, outcome, detailOf(sent), nowMs);
      else progress.retry(lane, nowMs + delayMs);
    }
    standings.failed(root);
  }

  /** It is to be left alone until then, also by the next hub. */
  #rest(root: Line, untilMs: number): void {
    if (untilMs <= (root.standing.restUntilMs ?? 0)) return;
    root.standing = { ...root.standing, restUntilMs: untilMs };
    this.#parts.notes.touch(root);
  }

  #count({ lanes }: Flight, outcome: AttemptOutcome, sent: Sent): void {
    const { outcomes } = this.figures;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    for (const { span, attempts } of lanes) {
      if (outcome === 'delivered') this.figures.events += span;
      if (attempts > 1) this.figures.retries++;
    }
    this.#parts.answered(sent.timing.totalMs);
  }
}

/** In words, for a dead letter, which has no response beside it; of an answer from inside nothing is told (PROTOCOL.md section 14.3). */
function detailOf({ detail, answer, isInside }: Sent): string {
  return detail === '' && answer !== undefined && !isInside ? `It answered ${answer.status}.` : detail;
}
