import { afterClose, type ErrorCode, type Problem } from '@polycast/protocol';
import { refusal } from '../errors.ts';
import { backoffMs } from './backoff.ts';
import { failMember, onStream, union } from './members.ts';
import type {
  Draft,
  Ending,
  Member,
  Moment,
  OpenRequest,
  PhaseOf,
  State,
  Successor,
  SuccessorReason,
  TransportName,
} from './state.ts';

/** From which transport to which, and when: the ways between `connecting`, `open`, `waiting` and `closed`. */

/** A proven transport that fails this often before being stable again is no longer tried first. */
const STRIKES_MAX = 3;
/** Polls answer when the hub has read the log; the last resort is given more time than what has one behind it. */
const POLL_PATIENCE = 3;

/** Opens the first of these transports; the others are tried, without waiting, if it does not come to deliver. */
export function connect(draft: Draft, moment: Moment, sweep: readonly TransportName[], reason = ''): void {
  const [transport, ...rest] = sweep;
  if (transport === undefined) return wait(draft, moment, reason, 0);
  const resuming = resumingMembers(draft);
  const members = resuming.length > 0 ? resuming : firstGroup(draft);
  if (members.length === 0) return;
  const channels = union(members);
  const group = resuming.length > 0 ? [] : members.map(({ id }) => id);
  const attempt = ++draft.attempts;
  draft.hintMs = 0;
  const untilMs = moment.nowMs + patienceMs(draft, transport);
  const request = resuming.length > 0 ? resumption(draft, channels) : opening(members);
  const from = (resuming.length > 0 && request.after) || '';
  draft.phase = { name: 'connecting', attempt, transport, rest, untilMs, channels, from, group };
  draft.effects.push({ kind: 'open', attempt, transport, request });
}

/** Opens another stream beside the current one, which goes on until the other delivers: nothing is lost between. */
export function openSuccessor(draft: Draft, moment: Moment, transport: TransportName, reason: SuccessorReason): void {
  const phase = draft.phase as PhaseOf<'open'>;
  dropSuccessor(draft, phase);
  const channels = union(draft.members.filter(onStream));
  const attempt = ++draft.attempts;
  const untilMs = moment.nowMs + patienceMs(draft, transport);
  const request = resumption(draft, channels);
  const successor: Successor = { attempt, transport, untilMs, channels, from: request.after ?? '', reason };
  draft.phase = { ...phase, successor };
  draft.effects.push({ kind: 'open', attempt, transport, request });
}

/** A stream that delivered is no more. */
export function lose(draft: Draft, moment: Moment, phase: PhaseOf<'open'>, ending: Ending): void {
  dropSuccessor(draft, phase);
  draft.members = draft.members.map(leaveStream);
  if (!phase.stable) draft.strikes++;
  settle(draft, moment, ending, () => wait(draft, moment, reasonOf(ending), draft.hintMs));
}

/** What a stream that is no more leaves of a member: what was only asked for has to be asked for again. */
export function leaveStream(member: Member): Member {
  if (member.cursor === '') return { ...member, mode: 'new', cursor: undefined, poll: 0, wasLive: false };
  const unanswered = member.mode === 'placing' || (member.mode === 'behind' && member.cursor === undefined);
  if (unanswered)
    return { ...member, mode: member.cursor === undefined ? 'new' : 'joining', poll: 0, retryAtMs: Infinity };
  return { ...member, held: undefined };
}

/** An attempt has connected and does not deliver: what buffers it now will do so again. */
export function silence(draft: Draft, moment: Moment, phase: PhaseOf<'connecting'>): void {
  draft.effects.push({ kind: 'drop', attempt: phase.attempt });
  if (phase.transport === draft.proven) draft.strikes = STRIKES_MAX;
  const others = draft.settings.transports.filter((name) => name !== phase.transport);
  connect(draft, moment, phase.transport === draft.proven ? others : phase.rest, 'not ready in time');
}

/** An attempt has ended before it delivered. */
export function fail(draft: Draft, moment: Moment, phase: PhaseOf<'connecting'>, ending: Ending): void {
  if (phase.transport === draft.proven) draft.strikes++;
  settle(draft, moment, ending, () => connect(draft, moment, phase.rest, reasonOf(ending)));
}

/** The transports to try, in order: the proven one alone, while it is trusted; else all, the best first. */
export function sweepOf(state: State): readonly TransportName[] {
  const { proven, strikes, settings } = state;
  if (proven === undefined) return settings.transports;
  if (strikes < STRIKES_MAX) return [proven];
  return [...settings.transports.filter((name) => name !== proven), proven];
}

export function wait(draft: Draft, moment: Moment, why: string, hintMs: number): void {
  const { backoffBaseMs, backoffCapMs } = draft.settings;
  const jitterMs = backoffMs(draft.failures, moment.chance, backoffBaseMs, backoffCapMs);
  draft.failures++;
  draft.phase = { name: 'waiting', untilMs: moment.nowMs + hintMs + jitterMs, why };
}

export function close(draft: Draft, why: string, problem: Problem | undefined): void {
  const { phase } = draft;
  if (phase.name === 'connecting' || phase.name === 'open')
    draft.effects.push({ kind: 'drop', attempt: phase.attempt });
  if (phase.name === 'open') dropSuccessor(draft, phase);
  if (problem !== undefined) for (const { id } of draft.members) draft.effects.push({ kind: 'failed', id, problem });
  draft.members = [];
  draft.phase = { name: 'closed', why, problem };
}

export function dropSuccessor(draft: Draft, phase: PhaseOf<'open'>): void {
  if (phase.successor !== undefined) draft.effects.push({ kind: 'drop', attempt: phase.successor.attempt });
}

/** When the next better transport is tried: later with each time that it did not hold. */
export function probeAtMs(state: State, moment: Moment, transport: TransportName): number {
  if (state.settings.transports.indexOf(transport) <= 0) return Infinity;
  const { probeBaseMs, probeCapMs } = state.settings;
  const spanMs = Math.min(probeCapMs, probeBaseMs * 2 ** Math.min(state.probes, 30));
  return moment.nowMs + spanMs * (0.5 + moment.chance / 2);
}

/** What an ending asks for: to stop, to wait as told, or else whatever the phase does about a loss. */
function settle(draft: Draft, moment: Moment, ending: Ending, otherwise: () => void): void {
  if (ending.kind === 'refused') {
    const { problem, retryAfterMs } = ending;
    if (problem.retryable) return wait(draft, moment, problem.code, Math.max(retryAfterMs ?? 0, draft.hintMs));
    if (TRANSPORT_CODES.has(problem.code)) return otherwise();
    if (problem.code === 'unauthorized' && renew(draft)) return wait(draft, moment, problem.code, 0);
    const { phase } = draft;
    if (phase.name !== 'connecting' || phase.group.length === 0 || problem.code === 'unauthorized')
      return close(draft, problem.code, problem);
    // One of these asks for what it may not have: the others are to have theirs.
    if (phase.group.length > 1) draft.singly = true;
    else for (const id of phase.group) failMember(draft, id, problem);
    return connect(draft, moment, sweepOf(draft));
  }
  if (ending.kind !== 'closed') return otherwise();
  const then = afterClose(ending.code);
  if (then === 'back-off') return wait(draft, moment, reasonOf(ending), draft.hintMs);
  // A hub that stops an attempt before `ready` says why to the next transport, as a problem document.
  if (then === 'reconnect' || draft.phase.name === 'connecting') return otherwise();
  const code = CODE_OF_CLOSE[ending.code] ?? 'internal_error';
  if (code === 'unauthorized' && renew(draft)) return wait(draft, moment, code, 0);
  close(draft, reasonOf(ending), refusal(code, `The hub closed the connection with code ${ending.code}.`));
}

function renew(draft: Draft): boolean {
  if (draft.renewed || !draft.settings.tokenRenewable) return false;
  return (draft.renewed = true);
}

/** Refusals that concern the transport and not what was asked for. */
const TRANSPORT_CODES: ReadonlySet<string> = new Set([
  'not_acceptable',
  'upgrade_required',
  'unsupported_subprotocol',
  'method_not_allowed',
]);

const CODE_OF_CLOSE: Readonly<Record<number, ErrorCode>> = {
  1000: 'draining',
  1009: 'event_too_large',
  4400: 'invalid_message',
  4401: 'unauthorized',
  4403: 'forbidden',
};

function reasonOf(ending: Ending): string {
  if (ending.kind === 'lost') return ending.why;
  return ending.kind === 'closed' ? `closed with ${ending.code}` : ending.problem.code;
}

function patienceMs(state: State, transport: TransportName): number {
  const patience = transport === 'poll' || transport === 'long-poll' ? POLL_PATIENCE : 1;
  return state.settings.readyTimeoutMs * patience * Math.min(1 + state.failures, 3);
}

/** The members that a new stream goes on for; none of them when there is nothing to go on from. */
function resumingMembers(draft: Draft): readonly Member[] {
  const before = draft.members.filter(onStream);
  return before.length > 0 ? before : draft.members.filter(({ cursor }) => cursor !== undefined);
}

/** From the oldest cursor that the stream has to go on from. Those that are behind or full see to themselves. */
function resumption(draft: Draft, channels: readonly string[]): OpenRequest {
  const live = draft.members.filter(({ mode }) => mode === 'live' || mode === 'joining');
  const after = oldest(live) ?? draft.position ?? oldest(draft.members);
  return { channels, after, history: undefined };
}

/** The new members that one request can serve: those that begin where the first does, or all that begin at a cursor. */
function firstGroup({ members, singly }: Draft): readonly Member[] {
  const [first] = members;
  return members.filter((member) => member === first || (!singly && first !== undefined && startKey(member) === startKey(first)));
}

function startKey({ channels, start: { after, history } }: Member): string {
  if (isCursor(after)) return 'cursor';
  // The last so many are counted over all channels of a request.
  return history === undefined ? (after ?? 'now') : `${history} ${channels.join()}`;
}

function opening(members: readonly Member[]): OpenRequest {
  const { after, history } = (members[0] as Member).start;
  const channels = union(members);
  if (!isCursor(after)) return { channels, after, history };
  return { channels, after: members.map(({ start }) => start.after as string).toSorted()[0], history: undefined };
}

/** Whether a start is a place in the log rather than `earliest` or `now`. */
export function isCursor(after: string | undefined): after is string {
  return after !== undefined && after !== 'earliest' && after !== 'now';
}

function oldest(members: readonly Member[]): string | undefined {
  return members.flatMap(({ cursor }) => cursor ?? []).toSorted()[0];
}
