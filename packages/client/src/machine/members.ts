import type { Gap, PollAnswer, PolycastEvent, Problem } from '@polycast/protocol';
import { matcherOf } from '../patterns.ts';
import type { Draft, InputOf, Member, Start } from './state.ts';

/**
 * What each subscription is given, and from where it goes on. Cursors compare as text (PROTOCOL.md section 2.1), so
 * "not delivered yet" is `id > cursor`, on any stream, in any overlap of two.
 */

/** What a poll may bring at most; the consumer's room may be less (PROTOCOL.md section 4, `limit`). */
const CATCH_UP_LIMIT = 500;

export function createMember({ id, channels, types, start, room }: InputOf<'subscribe'>): Member {
  return {
    id,
    channels,
    matcher: matcherOf(channels),
    types,
    start,
    mode: 'new',
    cursor: '',
    gapTo: '',
    room,
    round: 0,
    since: '',
    held: undefined,
    retryAtMs: Infinity,
    wasLive: false,
    lagging: false,
  };
}

export function memberOf(draft: Draft, id: number): Member | undefined {
  return draft.members.find((member) => member.id === id);
}

/** What the current stream brought: events in order, then how far it has spoken. */
export function takeFromStream(draft: Draft, { events, cursor = '' }: InputOf<'events'>): void {
  // A stream that resumes for one member says again what others have had.
  const before = draft.position;
  const reached = latest(events.at(-1)?.id ?? '', cursor);
  for (const member of draft.members) {
    const meant = events.filter((event) => means(member, event));
    if (member.mode === 'live') deliver(draft, member, meant, reached);
    if (member.held === undefined) continue;
    const held = [...member.held, ...meant.filter(({ id }) => id > before)];
    member.held = held.length > draft.settings.heldEventsMax ? undefined : held;
  }
  draft.position = latest(before, reached);
}

/** Asks for what a member has missed, as far as its consumer has room. */
export function catchUp(draft: Draft, member: Member): void {
  if (member.room === 0) return fallBehind(draft, member);
  member.mode = 'behind';
  member.round = ++draft.attempts;
  member.since = latest(draft.position, member.since);
  member.gapTo = latest(member.gapTo, member.cursor);
  member.held = isCovered(draft, member) ? [] : undefined;
  member.retryAtMs = Infinity;
  draft.effects.push({
    kind: 'catch-up',
    member: { ...member },
    start: startOf(member),
    limit: Math.min(CATCH_UP_LIMIT, member.room),
  });
}

/**
 * Takes in the answer to a catch-up. Once it speaks as far as the stream did when it was asked for, what was held
 * follows on, and the member is live, or joining if the stream does not cover it yet.
 */
export function takeCaughtUp(draft: Draft, member: Member, { events, gaps, cursor, more }: PollAnswer): void {
  const { held, since } = member;
  member.round = 0;
  member.held = undefined;
  for (const gap of gaps) tellGap(draft, member, gap);
  deliver(draft, member, events, cursor);
  if (member.mode === 'full' || cursor < since || (more && since === '')) return;
  if (!isCovered(draft, member)) member.mode = 'joining';
  else if (held !== undefined) {
    deliver(draft, member, held, draft.position);
    becomeLive(draft, member);
  }
}

/** From now on the stream delivers to this member, unless its consumer has just become full. */
export function becomeLive(draft: Draft, member: Member, cursor: string = member.cursor): void {
  if (member.mode === 'full') return;
  member.mode = 'live';
  member.cursor = cursor;
  member.since = '';
  member.held = undefined;
  member.retryAtMs = Infinity;
  if (member.lagging) draft.effects.push({ kind: 'lag', id: member.id, behind: (member.lagging = false) });
  if (!member.wasLive) draft.effects.push({ kind: 'joined', id: member.id });
  member.wasLive = true;
}

/** A gap is told to each member that it concerns, once; what was lost before its place is none of its business. */
export function tellGap(draft: Draft, member: Member, gap: Gap): void {
  const { id, cursor } = member;
  const isRolledBack = gap.reason === 'epoch' && gap.to < cursor;
  if (!isRolledBack && gap.to <= member.gapTo) return;
  // A log that was rolled back gives out the same ids again: the one case in which a place goes back.
  if (isRolledBack) draft.position = member.cursor = gap.to;
  member.gapTo = gap.to;
  draft.effects.push({ kind: 'gap', id, gap });
}

/** Ends a subscription with the hub's refusal. */
export function failMember(draft: Draft, id: number, problem: Problem): void {
  draft.members = draft.members.filter((member) => member.id !== id);
  draft.effects.push({ kind: 'failed', id, problem });
}

/** From where a member goes on, or begins. */
export function startOf({ cursor, start }: Member): Start {
  return cursor === '' ? start : { after: cursor };
}

/** Whether a member is part of the stream, or was: it is opened with these. */
export function onStream(member: Member): boolean {
  return member.wasLive || member.mode === 'joining';
}

export function union(members: readonly Member[]): string[] {
  return [...new Set(members.flatMap((member) => member.channels))];
}

export function covers(covered: readonly string[], channels: readonly string[]): boolean {
  return channels.every((channel) => covered.includes(channel));
}

export function latest(one: string, other: string): string {
  return one > other ? one : other;
}

/**
 * Gives a member what it has not had, as far as there is room, and moves its cursor: to `through` if everything fitted,
 * else to the last event that did.
 */
function deliver(draft: Draft, member: Member, events: readonly PolycastEvent[], through: string): void {
  const fresh = events.filter(({ id }) => id > member.cursor);
  const fitting = fresh.slice(0, member.room);
  if (fitting.length > 0) draft.effects.push({ kind: 'deliver', id: member.id, events: fitting });
  member.room -= fitting.length;
  member.cursor = latest(member.cursor, fitting.at(-1)?.id ?? '');
  if (fitting.length < fresh.length) fallBehind(draft, member);
  else member.cursor = latest(member.cursor, through);
}

/** The consumer takes no more: it will be caught up from its own cursor, and nothing is kept for it until then. */
function fallBehind(draft: Draft, member: Member): void {
  if (!member.lagging) draft.effects.push({ kind: 'lag', id: member.id, behind: (member.lagging = true) });
  member.mode = 'full';
  member.held = undefined;
  member.round = 0;
}

/** Whether the stream that is open delivers what this member is subscribed to. */
function isCovered({ phase }: Draft, { channels }: Member): boolean {
  return phase.kind === 'open' && covers(phase.channels, channels);
}

function means({ types, matcher }: Member, { type, channel }: PolycastEvent): boolean {
  return (types === undefined || types.includes(type as string)) && matcher.test(channel);
}
