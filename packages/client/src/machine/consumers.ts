import { refusal } from '../errors.ts';
import { backoffMs } from './backoff.ts';
import { close } from './flow.ts';
import { createMember, failMember, memberOf, put, takeCaughtUp, union } from './members.ts';
import { removeMember } from './placing.ts';
import type { Draft, InputOf, Moment, PhaseOf } from './state.ts';

/** The cells for what consumers do, and for what is polled on their behalf: nearly the same in every phase. */

export function firstSubscribe(draft: Draft, input: InputOf<'subscribe'>, moment: Moment): void {
  // Not at once: what is subscribed to in the same turn goes into one request.
  draft.phase = { name: 'waiting', untilMs: moment.nowMs, why: 'subscribed' };
  subscribe(draft, input);
}

export function subscribe(draft: Draft, input: InputOf<'subscribe'>): void {
  draft.members = [...draft.members, createMember(input)];
  if (union(draft.members).length <= draft.settings.channelsMax) return;
  failMember(
    draft,
    input.id,
    refusal('too_many_channels', `One connection has at most ${draft.settings.channelsMax} channels.`),
  );
}

export function closedSubscribe(
  draft: Draft,
  input: InputOf<'subscribe'>,
  _moment: Moment,
  phase: PhaseOf<'closed'>,
): void {
  const problem = phase.problem ?? refusal('draining', 'The connection is closed.');
  draft.effects.push({ kind: 'failed', id: input.id, problem });
}

export function unsubscribe(draft: Draft, input: InputOf<'unsubscribe'>): void {
  removeMember(draft, input.id);
}

export function room(draft: Draft, input: InputOf<'room'>): void {
  const member = memberOf(draft, input.id);
  if (member === undefined) return;
  const { room } = input;
  put(
    draft,
    member.mode === 'full' && room > 0 ? { ...member, room, mode: 'behind', poll: 0 } : { ...member, room },
  );
}

export function closed(draft: Draft): void {
  close(draft, 'closed by the client', undefined);
}

export function caughtUp(draft: Draft, input: InputOf<'caught-up'>): void {
  takeCaughtUp(draft, input);
}

export function notCaughtUp(draft: Draft, input: InputOf<'not-caught-up'>, moment: Moment): void {
  const member = memberOf(draft, input.id);
  if (member?.mode !== 'behind' || member.poll !== input.poll) return;
  if (input.problem !== undefined && !input.problem.retryable) return failMember(draft, input.id, input.problem);
  const { backoffBaseMs, backoffCapMs } = draft.settings;
  const delayMs = backoffBaseMs + (input.retryAfterMs ?? 0) + backoffMs(3, moment.chance, backoffBaseMs, backoffCapMs);
  put(draft, { ...member, poll: 0, held: undefined, retryAtMs: moment.nowMs + delayMs });
}
