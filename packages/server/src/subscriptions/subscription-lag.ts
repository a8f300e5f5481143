import type { Position } from '../core/ports.ts';
import { SUBSCRIPTION_STATES } from './state/definition.ts';
import type { SubscriptionConsumer } from './subscription-registry.ts';

/**
 * The lag of a subscription: its undelivered events, and the age of the oldest of them. Example:
 * `{ subscription: 'sub_1', events: 2, ms: 31_000 }`.
 */
export interface SubscriptionLag {
  readonly subscription: string;
  readonly events: number;
  readonly ms: number;
}

export interface StateLag {
  readonly count: number;
  readonly lagEventsMax: number;
  readonly lagMsMax: number;
}

export interface LagReport {
  /** By state: the number of subscriptions, and the greatest lag among them. */
  readonly states: Readonly<Record<string, StateLag>>;
  /** Of at most `countMax` subscriptions; the rest is one entry with its greatest lags. */
  readonly lags: readonly SubscriptionLag[];
}

/** The name of the entry for all subscriptions without an entry of their own. */
const OTHERS = 'others';
/**
 * From this lag on, a subscription gets an entry before those that keep up. Below it the order of
 * their ids decides, so that the entries of a hub that works stay the same.
 */
const LATE_MS = 5000;

/** Visits every subscription, O(n). */
export function measureLag(
  consumers: Iterable<SubscriptionConsumer>,
  head: Position,
  nowMs: number,
  countMax: number,
): LagReport {
  const states: Record<string, { count: number; lagEventsMax: number; lagMsMax: number }> = {};
  for (const state of SUBSCRIPTION_STATES) states[state] = { count: 0, lagEventsMax: 0, lagMsMax: 0 };
  const lags: SubscriptionLag[] = [];
  for (const consumer of consumers) {
    const { state } = consumer.status;
    const inState = states[state];
    if (inState === undefined) continue;
    inState.count++;
    if (state === 'ended') continue;
    const oldestMs = consumer.oldestMs();
    const lag: SubscriptionLag = {
      subscription: consumer.id,
      events: consumer.lagEvents(head),
      ms: oldestMs < Infinity ? Math.max(0, nowMs - oldestMs) : 0,
    };
    inState.lagEventsMax = Math.max(inState.lagEventsMax, lag.events);
    inState.lagMsMax = Math.max(inState.lagMsMax, lag.ms);
    if (countMax > 0) lags.push(lag);
  }
  return { states, lags: boundLags(lags, countMax) };
}

/** The `countMax` most important entries, and one for the others. */
export function boundLags(lags: readonly SubscriptionLag[], countMax: number): readonly SubscriptionLag[] {
  if (lags.length <= countMax) return lags;
  const ordered = lags.toSorted((one, other) => lateness(other) - lateness(one));
  const others = ordered.slice(countMax);
  return [
    ...ordered.slice(0, countMax),
    {
      subscription: OTHERS,
      events: others.reduce((max, { events }) => Math.max(max, events), 0),
      ms: others.reduce((max, { ms }) => Math.max(max, ms), 0),
    },
  ];
}

function lateness({ ms }: SubscriptionLag): number {
  return ms < LATE_MS ? 0 : ms;
}
