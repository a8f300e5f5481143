import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Position } from '../core/ports.ts';
import { SUBSCRIPTION_STATES } from './state/definition.ts';
import type { Subscription } from './state/ports.ts';
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

/** By state: the number of subscriptions, and the greatest lag among them. */
type LagByState = Readonly<Record<string, StateLag>>;

export interface LagReport {
  readonly states: LagByState;
  /** Of at most `countMax` subscriptions; the rest is one entry with its greatest lags. */
  readonly lags: readonly SubscriptionLag[];
}

/** Subscriptions in numbers, and some of those that need attention. */
export interface SubscriptionOverview {
  readonly states: LagByState;
  /** Subscriptions whose deliveries fail, or that are suspended: those with the lowest ids. */
  readonly failing: readonly FailingSubscription[];
}

export interface FailingSubscription extends Subscription {
  readonly lagEvents: number;
}

/** What is measured: the subscriptions of a hub, with the head of its log and the time. */
export interface LagScope {
  readonly consumers: Iterable<SubscriptionConsumer>;
  readonly head: Position;
  readonly nowMs: number;
}

/** The name of the entry for all subscriptions without an entry of their own. */
const OTHERS = 'others';
/**
 * From this lag on, a subscription gets an entry before those that keep up. Below it the order of
 * their ids decides, so that the entries of a hub that works stay the same.
 */
const LATE_MS = 5000;

/**
 * Subscriptions that one turn of the event loop visits. Each takes some 3 µs, since little of it is
 * in the caches of the processor. So a visit of 10,000 holds up an event by less than 1 ms, and not
 * by 30 ms.
 */
const VISITED_PER_TURN = 128;

/** Visits every subscription, O(n). @param onLag gets the lag of each that has not ended */
async function measureStates(
  { consumers, head, nowMs }: LagScope,
  onLag: (consumer: SubscriptionConsumer, events: number, ms: number) => void,
): Promise<LagByState> {
  let visited = 0;
  const states: Record<string, { count: number; lagEventsMax: number; lagMsMax: number }> = {};
  for (const state of SUBSCRIPTION_STATES) states[state] = { count: 0, lagEventsMax: 0, lagMsMax: 0 };
  for (const consumer of consumers) {
    if (++visited % VISITED_PER_TURN === 0) await nextTurn();
    const { state } = consumer.status;
    const inState = states[state];
    if (inState === undefined) continue;
    inState.count++;
    if (state === 'ended') continue;
    const oldestMs = consumer.oldestMs();
    const events = consumer.lagEvents(head);
    const ms = oldestMs < Infinity ? Math.max(0, nowMs - oldestMs) : 0;
    inState.lagEventsMax = Math.max(inState.lagEventsMax, events);
    inState.lagMsMax = Math.max(inState.lagMsMax, ms);
    onLag(consumer, events, ms);
  }
  return states;
}

/** O(n), in many turns of the event loop. */
export async function measureLag(scope: LagScope, countMax: number): Promise<LagReport> {
  const lags: SubscriptionLag[] = [];
  const states = await measureStates(scope, ({ id }, events, ms) => {
    if (countMax > 0) lags.push({ subscription: id, events, ms });
  });
  return { states, lags: boundLags(lags, countMax) };
}

/**
 * The lag by state, and at most `failingMax` failing subscriptions. O(n), in many turns of the
 * event loop, with a copy of these.
 */
export async function overviewOf(scope: LagScope, failingMax: number): Promise<SubscriptionOverview> {
  const failing: { readonly consumer: SubscriptionConsumer; readonly lagEvents: number }[] = [];
  const states = await measureStates(scope, (consumer, lagEvents) => {
    const { state, failingSinceMs } = consumer.status;
    if (state !== 'suspended' && failingSinceMs === undefined) return;
    const last = failing[failingMax - 1];
    if (last !== undefined && last.consumer.id < consumer.id) return;
    failing.push({ consumer, lagEvents });
    failing.sort((one, other) => (one.consumer.id < other.consumer.id ? -1 : 1));
    failing.length = Math.min(failing.length, failingMax);
  });
  return { states, failing: failing.map(({ consumer, lagEvents }) => ({ ...consumer.subscription, lagEvents })) };
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
