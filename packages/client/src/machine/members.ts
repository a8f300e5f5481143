import { matches, type Gap, type PolycastEvent, type Problem } from '@polycast/protocol';
import type { Draft, InputOf, Member, Start } from './state.ts';

/**
 * What each subscription is given, and from where it goes on. Cursors compare as text (PROTOCOL.md section 2.1), so
 * "not delivered yet" is `id > cursor`, on any stream, in any overlap of two.
 */

/** What a poll may bring at most; the consumer's room may be less (PROTOCOL.md section 4, `limit`). */
const CATCH_UP_LIMIT = 500;

export function createMember(input: InputOf<'subscribe'>): Member {
  const { id, channels, types, start, room } = input;
  return {
    id,
    channels,
    types,
    start,
    mode: 'new',
    cursor: undefined,
    gapTo: '',
    room,
    pollsPast: false,
    poll: 0,
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

export function update(draft: Draft, id: number, change: Partial<Member>): void {
  draft.members = draft.members.map((member) => (member.id === id ? { ...member, ...change } : member));
}

/** What the current stream brought: events in order, then how far it has spoken. */
export function takeFromStream(draft: Draft, events: readonly PolycastEvent[], cursor: string | undefined): void {
  const before = draft.position ?? '';
  const after = latest(before, latest(events.at(-1)?.id ?? '', cursor ?? ''));
  for (const member of draft.members) {
    if (member.mode === 'live') {
      // Below the stream's position come only the missed events of members that were placed with `after`
      // (PROTOCOL.md section 7.3), and say nothing about the others' progress.
      const taken = deliver(
        draft,
        member,
        events.filter((event) => means(member, event)),
        after > before ? after : '',
      );
      put(draft, taken);
    } else if (member.mode === 'behind' && member.held !== undefined) {
      const held = [...member.held, ...events.filter((event) => event.id > before && means(member, event))];
      put(draft, { ...member, held: held.length > draft.settings.heldEventsMax ? undefined : held });
    }
  }
  if (after !== '') draft.position = after;
}

/** Asks for what a member has missed, as far as its consumer has room. */
export function catchUp(draft: Draft, member: Member): void {
  if (member.room === 0) return put(draft, fallBehind(draft, member));
  const limit = Math.min(CATCH_UP_LIMIT, member.room);
  const poll = ++draft.attempts;
  put(draft, {
    ...member,
    mode: 'behind',
    poll,
    since: latest(draft.position ?? '', member.since),
    gapTo: latest(member.gapTo, member.cursor ?? ''),
    held: isCovered(draft, member) ? [] : undefined,
    retryAtMs: Infinity,
  });
  draft.effects.push({
    kind: 'catch-up',
    id: member.id,
    poll,
    channels: member.channels,
    types: member.types,
    start: startOf(member),
    limit,
  });
}

/**
 * Takes in the answer to a catch-up. Once it speaks as far as the stream did when it was asked for, what was held
 * follows on, and the member is live, or joining if the stream does not cover it yet.
 */
export function takeCaughtUp(draft: Draft, input: InputOf<'caught-up'>): void {
  const polled = memberOf(draft, input.id);
  if (polled?.mode !== 'behind' || polled.poll !== input.poll) return;
  for (const gap of input.gaps) tellGap(draft, polled.id, gap);
  const told = memberOf(draft, input.id) as Member;
  const member = deliver(draft, { ...told, poll: 0, held: undefined }, input.events, input.cursor);
  put(draft, member);
  if (member.mode === 'full') return;
  if (input.cursor < polled.since) return put(draft, member);
  if (!isCovered(draft, member)) return put(draft, { ...member, mode: 'joining' });
  if (polled.held === undefined) return put(draft, member);
  becomeLive(draft, deliver(draft, member, polled.held, draft.position ?? ''));
}

/** From now on the stream delivers to this member. */
export function becomeLive(draft: Draft, member: Member): void {
  if (member.mode === 'full') return put(draft, member);
  put(draft, {
    ...member,
    mode: 'live',
    held: undefined,
    since: '',
    retryAtMs: Infinity,
    wasLive: true,
    lagging: false,
  });
  if (member.lagging) draft.effects.push({ kind: 'lag', id: member.id, behind: false });
  if (!member.wasLive) draft.effects.push({ kind: 'joined', id: member.id });
}

/** A gap is told to each member that it concerns, once; what was lost before its place is none of its business. */
export function tellGap(draft: Draft, id: number, gap: Gap): void {
  const member = memberOf(draft, id);
  if (member === undefined) return;
  const isRolledBack = gap.reason === 'epoch' && gap.to < (member.cursor ?? '');
  if (!isRolledBack && gap.to <= member.gapTo) return;
  // A log that was rolled back gives out the same ids again: the one case in which a place goes back.
  const cursor = isRolledBack ? gap.to : member.cursor;
  if (isRolledBack) draft.position = gap.to;
  put(draft, { ...member, cursor, gapTo: gap.to });
  draft.effects.push({ kind: 'gap', id, gap });
}

/** Ends a subscription with the hub's refusal. */
export function failMember(draft: Draft, id: number, problem: Problem): void {
  draft.members = draft.members.filter((member) => member.id !== id);
  draft.effects.push({ kind: 'failed', id, problem });
}

/** From where a member goes on, or begins. */
export function startOf(member: Member): Start {
  return member.cursor === undefined ? member.start : { after: member.cursor };
}

/** Whether a member is part of the stream, or was: it is opened with these. */
export function onStream(member: Member): boolean {
  return member.wasLive || member.mode === 'joining';
}

export function union(members: readonly Member[]): readonly string[] {
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
function deliver(draft: Draft, member: Member, events: readonly PolycastEvent[], through: string): Member {
  let { cursor, room } = member;
  const fresh: PolycastEvent[] = [];
  for (const event of events) {
    if (cursor !== undefined && event.id <= cursor) continue;
    if (room === 0) break;
    fresh.push(event);
    cursor = event.id;
    room--;
  }
  if (fresh.length > 0) draft.effects.push({ kind: 'deliver', id: member.id, events: fresh });
  const rest = events.at(-1);
  if (rest !== undefined && rest.id > (cursor ?? '')) return fallBehind(draft, { ...member, cursor, room });
  return { ...member, room, cursor: through > (cursor ?? '') ? through : cursor };
}

/** Whether the stream that is open delivers what this member is subscribed to. */
function isCovered({ phase }: Draft, { channels }: Member): boolean {
  return phase.name === 'open' && covers(phase.channels, channels);
}

/** The consumer takes no more: it will be caught up from its own cursor, and nothing is kept for it until then. */
function fallBehind(draft: Draft, member: Member): Member {
  if (!member.lagging) draft.effects.push({ kind: 'lag', id: member.id, behind: true });
  return { ...member, mode: 'full', lagging: true, held: undefined, poll: 0 };
}

export function put(draft: Draft, changed: Member): void {
  draft.members = draft.members.map((member) => (member.id === changed.id ? changed : member));
}

function means(member: Member, event: PolycastEvent): boolean {
  if (member.types !== undefined && (event.type === undefined || !member.types.includes(event.type))) return false;
  return member.channels.some((pattern) => matches(pattern, event.channel));
}
