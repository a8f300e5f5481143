import { isCursor, openSuccessor } from './flow.ts';
import { becomeLive, catchUp, covers, latest, memberOf, onStream, startOf, union, update } from './members.ts';
import type { Draft, InputOf, Member, Moment, PhaseOf, TransportName } from './state.ts';

/** How subscriptions come onto, and leave, a stream that is open. */

/** Those that take operations (PROTOCOL.md section 7.3); the others are opened anew when the channels change. */
const TAKES_OPERATIONS: ReadonlySet<TransportName> = new Set(['websocket']);

/** Finds every subscription its way onto the stream, and keeps the stream's channels in step with what is wanted. */
export function settleMembers(draft: Draft, moment: Moment): void {
  for (const { id } of draft.members) settleMember(draft, moment, id);
  const { phase } = draft;
  if (phase.name !== 'open') return;
  if (TAKES_OPERATIONS.has(phase.transport)) return removeUnwanted(draft, phase);
  const wanted = union(draft.members.filter(onStream));
  const { successor } = phase;
  const coming = successor === undefined || successor.reason === 'better' ? phase.channels : successor.channels;
  if (wanted.length > 0 && !(covers(coming, wanted) && covers(wanted, coming))) {
    openSuccessor(draft, moment, phase.transport, 'channels');
  }
}

/** The stream has the channels of this member now. */
export function takePlaced(draft: Draft, input: InputOf<'placed'>): void {
  const member = memberOf(draft, input.id);
  if (member?.mode !== 'placing' || draft.phase.name !== 'open') return;
  draft.phase = { ...draft.phase, channels: [...new Set([...draft.phase.channels, ...member.channels])] };
  if (member.pollsPast) catchUp(draft, { ...member, since: latest(input.cursor, draft.position ?? '') });
  else
    becomeLive(draft, {
      ...member,
      cursor: member.cursor ?? (isCursor(member.start.after) ? member.start.after : input.cursor),
    });
}

/** A subscription ends. What was asked for it, and nobody else wants, is taken back. */
export function removeMember(draft: Draft, id: number): void {
  const member = memberOf(draft, id);
  draft.members = draft.members.filter((other) => other.id !== id);
  const { phase } = draft;
  if (member?.mode !== 'placing' || phase.name !== 'open') return;
  const wanted = [...phase.channels, ...union(draft.members)];
  const channels = member.channels.filter((channel) => !wanted.includes(channel));
  if (channels.length > 0) draft.effects.push({ kind: 'remove', attempt: phase.attempt, channels });
}

function settleMember(draft: Draft, moment: Moment, id: number): void {
  const { phase } = draft;
  const member = memberOf(draft, id);
  if (member === undefined || phase.name !== 'open') return;
  if (member.retryAtMs !== Infinity && member.retryAtMs > moment.nowMs) return;
  if (member.mode === 'behind' && member.poll === 0) return catchUp(draft, member);
  if (member.mode !== 'new' && member.mode !== 'joining') return;
  const missing = member.channels.filter((channel) => !phase.channels.includes(channel));
  if (missing.length > 0 && TAKES_OPERATIONS.has(phase.transport)) return place(draft, moment, phase, member, missing);
  if (member.mode === 'joining') return missing.length === 0 ? catchUp(draft, member) : undefined;
  if (missing.length > 0 || isBehindStream(draft, member)) return catchUp(draft, member);
  becomeLive(draft, {
    ...member,
    cursor: latest(draft.position ?? '', isCursor(member.start.after) ? member.start.after : ''),
  });
}

function place(draft: Draft, moment: Moment, phase: PhaseOf<'open'>, member: Member, missing: readonly string[]): void {
  // What a stream has already it does not bring a second time: then the past is polled for.
  const had = [...phase.channels, ...union(draft.members.filter(({ mode }) => mode === 'placing'))];
  const pollsPast = hasPast(member) && member.channels.some((one) => had.some((other) => overlap(one, other)));
  const retryAtMs = moment.nowMs + 2 * draft.settings.readyTimeoutMs;
  update(draft, member.id, { mode: 'placing', pollsPast, retryAtMs });
  const start = pollsPast ? {} : startOf(member);
  draft.effects.push({ kind: 'place', attempt: phase.attempt, id: member.id, channels: missing, start });
}

function removeUnwanted(draft: Draft, phase: PhaseOf<'open'>): void {
  const wanted = union(draft.members);
  const channels = phase.channels.filter((channel) => !wanted.includes(channel));
  if (channels.length === 0) return;
  draft.phase = { ...phase, channels: phase.channels.filter((channel) => wanted.includes(channel)) };
  draft.effects.push({ kind: 'remove', attempt: phase.attempt, channels });
}

function hasPast({ cursor, start }: Member): boolean {
  return cursor !== undefined || start.history !== undefined || (start.after !== undefined && start.after !== 'now');
}

/** Whether it begins with something that the stream has brought already. */
function isBehindStream({ position }: Draft, member: Member): boolean {
  const { after } = member.start;
  return hasPast(member) && !(isCursor(after) && after >= (position ?? ''));
}

/** Whether a channel can be covered by both of two patterns. */
export function overlap(one: string, other: string): boolean {
  const tokens = one.split('.');
  const others = other.split('.');
  for (let index = 0; index < tokens.length && index < others.length; index++) {
    const token = tokens[index];
    if (token === '>' || others[index] === '>') return true;
    if (token !== '*' && others[index] !== '*' && token !== others[index]) return false;
  }
  return tokens.length === others.length;
}
