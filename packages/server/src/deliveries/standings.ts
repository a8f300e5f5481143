import type { Clock, Random } from '../core/ports.ts';
import type { SubscriptionStore } from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { stepStanding, type StandingInput, type StandingStep } from '../core/subscription/standing.ts';
import type { Line } from './line.ts';
import type { Notes } from './notes.ts';
import type { SubscriptionNews, Tell } from './tell.ts';

export interface StandingsParts {
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SubscriptionSettings;
  readonly tell: Tell;
  /** A line begins or ceases to be at work. */
  readonly turned: (line: Line) => void;
}

/** Which news a state is, where it is any. */
const NEWS: Readonly<Partial<Record<string, SubscriptionNews>>> = {
  verified: 'verified',
  failing: 'suspended',
  healed: 'resumed',
  resumed: 'resumed',
  gone: 'ended',
  refused: 'ended',
  lease_over: 'ended',
};

/** Fewer failures than this say nothing, however long ago the first one was. */
const SUSPEND_FAILURES_MIN = 5;

/** Moves subscriptions from state to state by the table, has it written down and told. */
export class Standings {
  readonly #parts: StandingsParts;
  /** Of those that fail: how often, and whether it has been told. */
  readonly #failing = new Map<Line, { count: number; isTold: boolean }>();

  constructor(parts: StandingsParts) {
    this.#parts = parts;
  }

  /** Takes the step that the table says; what is `conflict`, `asks` or `stays` changes nothing. */
  step(line: Line, input: StandingInput): StandingStep {
    const step = stepStanding(line.standing.state, input);
    if (typeof step === 'string') return step;
    const { clock, store, notes, tell, turned } = this.#parts;
    const before = line.standing;
    line.standing = { ...before, ...step, sinceMs: clock.nowMs() };
    if (step.state === 'active') {
      line.standing = { ...line.standing, failingSinceMs: undefined, restUntilMs: undefined };
      // Somebody says that it is well: it is believed. What is back by itself is still taken with care.
      if (step.reason !== 'healed') line.pace = undefined;
    }
    this.#failing.delete(line);
    turned(line);
    store.note(notes.changesOf(line));
    const news = NEWS[step.reason];
    if (news !== undefined)
      tell(line.id, news, {
        state: step.state,
        reason: step.reason,
        ...(before.failingSinceMs === undefined ? {} : { failingSince: new Date(before.failingSinceMs).toISOString() }),
      });
    return step;
  }

  /** Nothing but failures since `standing.failingSinceMs`; to be called for each of them. */
  failed(line: Line): void {
    const { failingSinceMs, state } = line.standing;
    if (failingSinceMs === undefined || state !== 'active') return;
    let failing = this.#failing.get(line);
    if (failing === undefined) this.#failing.set(line, (failing = { count: 0, isTold: false }));
    failing.count++;
    if (failing.count < SUSPEND_FAILURES_MIN) return;
    const { settings, clock, tell } = this.#parts;
    const durationMs = clock.nowMs() - failingSinceMs;
    if (durationMs >= settings.suspendAfterSeconds * 1000) {
      this.step(line, 'all_failing');
      return;
    }
    if (failing.isTold || durationMs < settings.failingNoticeSeconds * 1000) return;
    failing.isTold = true;
    tell(line.id, 'failing', {
      failingSince: new Date(failingSinceMs).toISOString(),
      suspendedAt: new Date(failingSinceMs + settings.suspendAfterSeconds * 1000).toISOString(),
    });
  }

  succeeded(line: Line): void {
    if (this.#failing.size > 0) this.#failing.delete(line);
    if (line.standing.state === 'suspended') this.step(line, 'probe_succeeded');
  }

  gone(line: Line): void {
    this.step(line, 'gone');
  }

  forget(line: Line): void {
    this.#failing.delete(line);
  }
}
