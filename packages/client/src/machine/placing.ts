import { openSuccessor } from './flow.ts';
import { becomeLive, catchUp, covers, isCursor, latest, onStream, startOf, union } from './members.ts';
import type { Draft, InputOf, Member, Open, TransportName } from './state.ts';

/** How subscriptions come onto, and leave, a stream that is open. */

/** That which takes operations (PROTOCOL.md section 7.3); the others are opened anew when the channels change. */
const TAKES_OPERATIONS: TransportName = 'websocket';

/** Finds every subscription its way onto the stream, and keeps the stream's channels in step with what is wanted. */
export function settleMembers(draft: Draft): void {
  const { phase } = draft;
  if (phase.name !== 'open') return;
  for (const member of draft.members) settleMember(draft, phase, member);
  if (phase.transport === TAKES_OPERATIONS) return removeUnwanted(draft, phase, phase.channels);
  const wanted = union(draft.members.filter(onStream));
  const { successor } = phase;
  const coming = successor === undefined || successor.reason === 'better' ? phase.channels : successor.channels;
  if (wanted.length === 0 || (covers(coming, wanted) && covers(wanted, coming))) return;
  openSuccessor(draft, phase, phase.transport, 'channels');
}

/** The stream has the channels of this member now. */
export function takePlaced(draft: Draft, phase: Open, member: Member, input: InputOf<'placed'>): void {
  phase.channels = [...new Set([...phase.channels, ...member.channels])];
  const { start, pollsPast } = member;
  if (!pollsPast) return becomeLive(draft, member, member.cursor || (isCursor(start.after) ? start.after : input.cursor));
  member.since = latest(input.cursor, draft.position);
  catchUp(draft, member);
}

/** A subscription ends. What was asked for it, and nobody else wants, is taken back. */
export function removeMember(draft: Draft, member: Member): void {
  draft.members = draft.members.filter((other) => other !== member);
  const { phase } = draft;
  if (member.mode !== 'placing' || phase.name !== 'open') return;
  removeUnwanted(draft, phase, member.channels.filter((channel) => !phase.channels.includes(channel)));
}

function settleMember(draft: Draft, phase: Open, member: Member): void {
  const { mode, poll, retryAtMs, channels } = member;
  if (retryAtMs !== Infinity && retryAtMs > draft.nowMs) return;
  if (mode === 'behind' && poll === 0) return catchUp(draft, member);
  if (mode !== 'new' && mode !== 'joining') return;
  const missing = channels.filter((channel) => !phase.channels.includes(channel));
  if (missing.length > 0 && phase.transport === TAKES_OPERATIONS) return place(draft, phase, member, missing);
  // Until its channels are part of a stream, what has joined once has nothing to wait for but that.
  if (mode === 'joining' && missing.length > 0) return;
  const { after = '', history } = startOf(member);
  const isNow = history === undefined && !(isCursor(after) ? after < draft.position : after === 'earliest');
  if (mode === 'new' && missing.length === 0 && isNow) return becomeLive(draft, member, latest(draft.position, isCursor(after) ? after : ''));
  catchUp(draft, member);
}

function place(draft: Draft, { attempt, channels }: Open, member: Member, missing: readonly string[]): void {
  const { after = 'now', history } = startOf(member);
  // What a stream has already it does not bring a second time: then the past is polled for.
  const had = [...channels, ...union(draft.members.filter(({ mode }) => mode === 'placing'))];
  const overlaps = had.length > 0 && (member.channels.some((channel) => had.includes(channel)) || /[*>]/.test([...had, ...missing].join()));
  member.pollsPast = overlaps && (history !== undefined || after !== 'now');
  member.mode = 'placing';
  member.retryAtMs = draft.nowMs + 2 * draft.settings.readyTimeoutMs;
  draft.effects.push({ kind: 'place', attempt, id: member.id, channels: missing, start: member.pollsPast ? {} : startOf(member) });
}

/** Takes those of the channels back that nobody wants. */
function removeUnwanted(draft: Draft, phase: Open, had: readonly string[]): void {
  const wanted = union(draft.members);
  const channels = had.filter((channel) => !wanted.includes(channel));
  if (channels.length === 0) return;
  phase.channels = phase.channels.filter((channel) => wanted.includes(channel));
  draft.effects.push({ kind: 'remove', attempt: phase.attempt, channels });
}
