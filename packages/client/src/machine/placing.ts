import { openSuccessor } from './flow.ts';
import { becomeLive, catchUp, covers, latest, onStream, startOf, union } from './members.ts';
import { isStreaming, TAKES_OPERATIONS, type Connecting, type Draft, type Member, type Open } from './state.ts';

/** How subscriptions come onto, and leave, a stream that is open. */

/** Finds every subscription its way onto the stream, and keeps the stream's channels in step with what is wanted. */
export function settleMembers(draft: Draft): void {
  const { phase } = draft;
  if (!isStreaming(phase)) return;
  for (const member of draft.members) settleMember(draft, phase, member);
  if (phase.kind !== 'open') return;
  if (phase.transport === TAKES_OPERATIONS) return removeUnwanted(draft, phase, phase.channels);
  const wanted = union(draft.members.filter(onStream));
  const { successor } = phase;
  const coming = successor === undefined || successor.isProbe ? phase.channels : successor.channels;
  if (covers(coming, wanted) && covers(union(draft.members), coming)) return;
  openSuccessor(draft, phase);
}

/** A subscription ends. What was asked for it, and nobody else wants, is taken back. */
export function removeMember(draft: Draft, member: Member): void {
  draft.members = draft.members.filter((other) => other !== member);
  const { phase } = draft;
  if (member.mode !== 'placing' || phase.kind !== 'open') return;
  removeUnwanted(
    draft,
    phase,
    member.channels.filter((channel) => !phase.channels.includes(channel)),
  );
}

function settleMember(draft: Draft, phase: Connecting | Open, member: Member): void {
  const { mode, round, retryAtMs, channels } = member;
  if (retryAtMs !== Infinity && retryAtMs > draft.nowMs) return;
  if (mode === 'behind' && round === 0) return catchUp(draft, member);
  if (mode !== 'new' && mode !== 'joining') return;
  const { after = 'now', history } = startOf(member);
  if (phase.kind === 'connecting') {
    // The past does not wait for the stream: a proxy may swallow an upgrade, and say nothing.
    if (mode === 'new' && (history !== undefined || after !== 'now')) catchUp(draft, member);
    return;
  }
  const missing = channels.filter((channel) => !phase.channels.includes(channel));
  if (missing.length > 0 && phase.transport === TAKES_OPERATIONS) return place(draft, phase, member, missing);
  // It has caught up, and waits only for its channels to be part of the stream.
  if (mode === 'joining' && missing.length > 0) return;
  const now = latest(draft.position, member.since);
  const begin = history !== undefined || after === 'earliest' ? '' : after === 'now' ? now : after;
  if (mode === 'new' && missing.length === 0 && begin >= now) becomeLive(draft, member, begin);
  else catchUp(draft, member);
}

/** The past is never asked for with the operation: a stream does not bring a second time what it has, to no member. */
function place(draft: Draft, { attempt }: Open, member: Member, channels: readonly string[]): void {
  member.mode = 'placing';
  member.retryAtMs = draft.nowMs + 2 * draft.settings.readyTimeoutMs;
  draft.effects.push({ kind: 'place', attempt, id: member.id, channels });
}

/** Takes those of the channels back that nobody wants. */
function removeUnwanted(draft: Draft, phase: Open, had: readonly string[]): void {
  const wanted = union(draft.members);
  const channels = had.filter((channel) => !wanted.includes(channel));
  if (channels.length === 0) return;
  phase.channels = phase.channels.filter((channel) => wanted.includes(channel));
  draft.effects.push({ kind: 'remove', attempt: phase.attempt, channels });
}
