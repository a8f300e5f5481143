import { retryLater } from './flow.ts';
import { createMember, failMember, memberOf, takeCaughtUp, union } from './members.ts';
import { closedRefusal, isAboutAsker, refusal } from '../errors.ts';
import { removeMember } from './placing.ts';
import type { Draft, Ending, InputOf, PhaseOf } from './state.ts';

/** The cells for what consumers do, and for what is polled on their behalf: nearly the same in every phase. */

export function firstSubscribe(draft: Draft, input: InputOf<'subscribe'>): void {
  // Not at once: what is subscribed to in the same turn goes into one request.
  draft.phase = { kind: 'waiting', untilMs: draft.nowMs, why: '' };
  subscribe(draft, input);
}

export function subscribe(draft: Draft, input: InputOf<'subscribe'>): void {
  draft.members.push(createMember(input));
  if (union(draft.members).length > draft.settings.channelsMax) {
    failMember(draft, input.id, refusal('too_many_channels', 'Too many channels.'));
  }
}

export function closedSubscribe(draft: Draft, input: InputOf<'subscribe'>, phase: PhaseOf<'closed'>): void {
  failMember(draft, input.id, phase.problem ?? closedRefusal());
}

export function unsubscribe(draft: Draft, { id }: InputOf<'unsubscribe'>): void {
  const member = memberOf(draft, id);
  if (member !== undefined) removeMember(draft, member);
}

export function drained(draft: Draft, { id, room }: InputOf<'drained'>): void {
  const member = memberOf(draft, id);
  if (member === undefined) return;
  member.room = room;
  if (member.mode === 'full' && room > 0) member.mode = 'behind';
}

export function polled(draft: Draft, { id, round, result }: InputOf<'polled'>): void {
  const member = memberOf(draft, id);
  if (member?.round !== round) return;
  if ('events' in result) return takeCaughtUp(draft, member, result);
  const { problem, hintMs } = result as Partial<Extract<Ending, { kind: 'refused' }>>;
  // Whoever is refused whatever they ask is refused by the stream as well, which may have another token by then.
  const isOfConnection = draft.phase.kind !== 'open' && problem !== undefined && isAboutAsker(problem);
  if (problem?.retryable === false && !isOfConnection) return failMember(draft, id, problem);
  member.round = 0;
  retryLater(draft, member, hintMs);
}
