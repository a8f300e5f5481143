import type { Gap, PollResponse, PolycastEvent, Problem } from '@polycast/protocol';
import { matcherOf } from './patterns.ts';
import type { Draft, InputOf, State, SubscriptionState, Start } from './state.ts';

/**
 * Delivery to each subscription, and its cursor. Cursors compare as text (PROTOCOL.md section 2.1).
 * An event is new for a subscription when `id > cursor`, on any stream and in any overlap of two
 * streams.
 */

/**
 * The most events that a catch-up poll asks for; the capacity of the consumer may be less
 * (PROTOCOL.md section 4, `limit`).
 */
const CATCH_UP_LIMIT = 500;

export function createSubscriptionState(input: InputOf<'subscribe'>): SubscriptionState {
  return {
    ...input,
    matcher: matcherOf(input.channels),
    mode: 'new',
    cursor: '',
    gapTo: '',
    pollNumber: 0,
    catchUpThrough: '',
    heldEvents: undefined,
    retryAtMs: Infinity,
    wasLive: false,
    lagging: false,
  };
}

export function findSubscription({ subscriptions }: State, id: number): SubscriptionState | undefined {
  return subscriptions.find((subscription) => subscription.id === id);
}

/** Handles the input of the current stream: events in order, then its furthest cursor. */
export function receiveFromStream(draft: Draft, { events, cursor = '' }: InputOf<'events'>): void {
  // A stream that resumes for one subscription repeats events that others have already received.
  const before = draft.position;
  const reached = latest(events.at(-1)?.id ?? '', cursor);
  for (const subscription of draft.subscriptions) {
    const matching = events.filter((event) => matches(subscription, event));
    if (subscription.mode === 'live') deliver(draft, subscription, matching, reached);
    if (!subscription.heldEvents) continue;
    const heldEvents = [...subscription.heldEvents, ...matching.filter(({ id }) => id > before)];
    subscription.heldEvents = heldEvents.length > draft.settings.heldEventsMax ? undefined : heldEvents;
  }
  draft.position = latest(before, reached);
}

/** Polls for the events that a subscription has missed, up to the capacity of its consumer. */
export function catchUp(draft: Draft, subscription: SubscriptionState): void {
  if (subscription.capacity === 0) return fallBehind(draft, subscription);
  subscription.mode = 'behind';
  subscription.pollNumber = ++draft.attempts;
  subscription.catchUpThrough = latest(draft.position, subscription.catchUpThrough);
  subscription.gapTo = latest(subscription.gapTo, subscription.cursor);
  subscription.heldEvents = isCovered(draft, subscription) ? [] : undefined;
  subscription.retryAtMs = Infinity;
  draft.effects.push({
    kind: 'catch-up',
    subscription: { ...subscription },
    start: startOf(subscription),
    eventsMax: Math.min(CATCH_UP_LIMIT, subscription.capacity),
  });
}

/**
 * Handles the answer to a catch-up poll. Once the answer reaches the stream's position at the time
 * of the poll, the held events follow it. The subscription is then live, or joining if the stream
 * does not cover it yet.
 */
export function receiveCatchUp(
  draft: Draft,
  subscription: SubscriptionState,
  { events, gaps, cursor, more }: PollResponse,
): void {
  const { heldEvents, catchUpThrough } = subscription;
  subscription.pollNumber = 0;
  subscription.heldEvents = undefined;
  for (const gap of gaps) emitGap(draft, subscription, gap);
  deliver(draft, subscription, events, cursor);
  if (subscription.mode === 'full' || cursor < catchUpThrough || (more && catchUpThrough === '')) return;
  if (!isCovered(draft, subscription)) subscription.mode = 'joining';
  else if (heldEvents) {
    deliver(draft, subscription, heldEvents, draft.position);
    becomeLive(draft, subscription);
  }
}

/** Makes a subscription live, unless its consumer has just become full. */
export function becomeLive(draft: Draft, subscription: SubscriptionState, cursor: string = subscription.cursor): void {
  if (subscription.mode === 'full') return;
  subscription.mode = 'live';
  subscription.cursor = cursor;
  subscription.catchUpThrough = '';
  subscription.heldEvents = undefined;
  subscription.retryAtMs = Infinity;
  if (subscription.lagging)
    draft.effects.push({ kind: 'lag', id: subscription.id, behind: (subscription.lagging = false) });
  if (!subscription.wasLive) draft.effects.push({ kind: 'joined', id: subscription.id });
  subscription.wasLive = true;
}

/**
 * Delivers a gap once to a subscription that it concerns. A gap before the start of a subscription
 * does not concern it.
 */
export function emitGap(draft: Draft, subscription: SubscriptionState, gap: Gap): void {
  const { id, cursor } = subscription;
  const isRolledBack = gap.reason === 'epoch' && gap.to < cursor;
  if (!isRolledBack && gap.to <= subscription.gapTo) return;
  // A log that was rolled back assigns the same ids again: the only case in which a cursor goes
  // back.
  if (isRolledBack) draft.position = subscription.cursor = gap.to;
  subscription.gapTo = gap.to;
  draft.effects.push({ kind: 'gap', id, gap });
}

/** Ends a subscription with the hub's refusal. */
export function failSubscription(draft: Draft, id: number, problem: Problem): void {
  draft.subscriptions = draft.subscriptions.filter((subscription) => subscription.id !== id);
  draft.effects.push({ kind: 'failed', id, problem });
}

/** The start of the next request: the cursor, or the chosen start without one. */
export function startOf({ cursor, start }: SubscriptionState): Start {
  return cursor === '' ? start : { after: cursor };
}

/**
 * Whether a subscription is or was part of the stream. A new stream is opened with the channels of
 * these subscriptions.
 */
export function onStream(subscription: SubscriptionState): boolean {
  return subscription.wasLive || subscription.mode === 'joining';
}

export function union(subscriptions: readonly SubscriptionState[]): string[] {
  return [...new Set(subscriptions.flatMap((subscription) => subscription.channels))];
}

export function covers(covered: readonly string[], channels: readonly string[]): boolean {
  return uncovered(covered, channels).length === 0;
}

/** Those of the channels that are not among `covered`. */
export function uncovered(covered: readonly string[], channels: readonly string[]): string[] {
  return channels.filter((channel) => !covered.includes(channel));
}

export function latest(one: string, other: string): string {
  return one > other ? one : other;
}

/**
 * Delivers new events to a subscription, up to its capacity. Moves its cursor to `through` if all
 * events fitted, otherwise to the last event that did.
 */
function deliver(
  draft: Draft,
  subscription: SubscriptionState,
  events: readonly PolycastEvent[],
  through: string,
): void {
  const fresh = events.filter(({ id }) => id > subscription.cursor);
  const fitting = fresh.slice(0, subscription.capacity);
  if (fitting.length > 0) draft.effects.push({ kind: 'deliver', id: subscription.id, events: fitting });
  subscription.capacity -= fitting.length;
  subscription.cursor = latest(subscription.cursor, fitting.at(-1)?.id ?? '');
  if (fitting.length < fresh.length) fallBehind(draft, subscription);
  else subscription.cursor = latest(subscription.cursor, through);
}

/**
 * The consumer takes no more events. The client holds nothing for it, and catches up from its
 * cursor later.
 */
function fallBehind(draft: Draft, subscription: SubscriptionState): void {
  if (!subscription.lagging)
    draft.effects.push({ kind: 'lag', id: subscription.id, behind: (subscription.lagging = true) });
  subscription.mode = 'full';
  subscription.heldEvents = undefined;
  subscription.pollNumber = 0;
}

/** Whether the open stream delivers the channels of this subscription. */
function isCovered({ phase }: Draft, { channels }: SubscriptionState): boolean {
  return phase.kind === 'open' && covers(phase.channels, channels);
}

function matches({ types, matcher }: SubscriptionState, { type, channel }: PolycastEvent): boolean {
  return (!types || types.includes(type as string)) && matcher.test(channel);
}
