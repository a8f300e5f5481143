import { PolycastError } from '@polycast/protocol';
import { receivedPrincipal, sentPrincipal, type SentPrincipal } from '../auth/session-updates.ts';
import type { Principal } from '../core/access/principal.ts';
import type { Position } from '../core/ports.ts';
import { liveSession, liveSessions, readsChannel } from '../sessions/live-sessions.ts';
import type { ExplainParts } from './explain-parts.ts';
import type { ExplainedEvent, Step } from './explanation.ts';
import { factsOfRecord, type SessionFacts } from './session-evaluation.ts';
import { liveFactsOf, userSessions } from './user-sessions.ts';

/**
 * What the hubs of a cluster ask each other about the way of an event, since each knows its own
 * sessions. Example: ann has a stream at hub B. The hub that is asked why ann got an event asks B,
 * and shows the sessions of both, the oldest first.
 */
type ExplainQuestion =
  | { readonly kind: 'explain user'; readonly user: string; readonly eventMs: number | null }
  | { readonly kind: 'explain session'; readonly session: string }
  | { readonly kind: 'explain channel'; readonly channel: string; readonly position: Position };

/** Whether sessions are recorded, and since when at every hub that answered. */
export interface Recording {
  readonly isEnabled: boolean;
  readonly sinceMs: number | undefined;
}

/** A user's sessions at all hubs that answered. */
export interface KnownSessions {
  /** The oldest first. */
  readonly sessions: readonly SessionFacts[];
  /** Of a live session. */
  readonly principal: Principal | undefined;
  readonly recording: Recording;
  /** The names of hubs that did not answer. */
  readonly silent: readonly string[];
}

interface HubSessions {
  readonly sessions: readonly SessionFacts[];
  readonly principal: SentPrincipal | null;
  readonly isEnabled: boolean;
  readonly sinceMs: number | null;
}

/** The live sessions that read a channel, and how many of them have not reached the event. */
export interface ChannelReaders {
  readonly sessions: number;
  readonly behind: number;
}

/** From now on, answers the questions of the other hubs. */
export function answerOtherHubs(parts: ExplainParts): void {
  parts.log.shared?.others.onAsked((asked) => {
    const question = asked as ExplainQuestion;
    switch (question.kind) {
      case 'explain user':
        return sessionsHere(parts, question.user, question.eventMs ?? undefined);
      case 'explain session':
        return sessionHere(parts, question.session) ?? null;
      case 'explain channel':
        return readersHere(parts, question.channel, question.position);
      default:
        return undefined;
    }
  });
}

export async function knownSessions(
  parts: ExplainParts,
  user: string,
  { timeMs }: ExplainedEvent,
): Promise<KnownSessions> {
  const asked = askOthers<HubSessions>(parts, { kind: 'explain user', user, eventMs: timeMs ?? null });
  const { answers, silent } = await asked;
  const hubs = [sessionsHere(parts, user, timeMs), ...answers];
  const sinceMs = Math.max(...hubs.map((hub) => hub.sinceMs ?? Infinity));
  const principal = hubs.find((hub) => hub.principal !== null)?.principal;
  return {
    sessions: hubs
      .flatMap(({ sessions }) => sessions)
      .toSorted((one, other) => one.openedMs - other.openedMs || (one.id < other.id ? -1 : 1)),
    principal: principal ? receivedPrincipal(principal) : undefined,
    recording: {
      isEnabled: hubs.every(({ isEnabled }) => isEnabled),
      sinceMs: sinceMs === Infinity ? undefined : sinceMs,
    },
    silent,
  };
}

/** A session of any hub, live or ended. @throws PolycastError `not_found`, `hub_silent` */
export async function knownSession(parts: ExplainParts, id: string): Promise<SessionFacts> {
  const own = sessionHere(parts, id);
  if (own !== undefined) return own;
  const { answers, silent } = await askOthers<SessionFacts | null>(parts, { kind: 'explain session', session: id });
  const found = answers.find((answer) => answer !== null);
  if (found) return found;
  if (silent.length > 0) throw new PolycastError('hub_silent', silentText(silent), { retryAfterMs: 1000 });
  throw new PolycastError('not_found', 'There is no such session: none is live, and the journal has none.');
}

export async function channelReaders(
  parts: ExplainParts,
  channel: string,
  { position }: ExplainedEvent,
): Promise<ChannelReaders & { readonly silent: readonly string[] }> {
  const { answers, silent } = await askOthers<ChannelReaders>(parts, { kind: 'explain channel', channel, position });
  const hubs = [readersHere(parts, channel, position), ...answers];
  return {
    sessions: hubs.reduce((sum, { sessions }) => sum + sessions, 0),
    behind: hubs.reduce((sum, { behind }) => sum + behind, 0),
    silent,
  };
}

/** A step for each hub whose sessions are missing. */
export function silentSteps(silent: readonly string[]): readonly Step[] {
  return silent.map((hub) => ({
    step: 'hub',
    verdict: 'unknown',
    reason: 'hub_silent',
    text: `The hub ${hub} did not reply: its sessions are missing here.`,
    detail: { hub },
  }));
}

export function silentText(silent: readonly string[]): string {
  return silent.length === 1
    ? `The hub ${silent[0] ?? ''} did not reply, and its sessions are not known.`
    : `The hubs ${silent.join(', ')} did not reply, and their sessions are not known.`;
}

async function askOthers<Answer>(
  { log: { shared } }: ExplainParts,
  question: ExplainQuestion,
): Promise<{ readonly answers: readonly Answer[]; readonly silent: readonly string[] }> {
  return shared === undefined ? { answers: [], silent: [] } : shared.others.ask<Answer>(question);
}

function sessionsHere(parts: ExplainParts, user: string, eventMs: number | undefined): HubSessions {
  const { journal } = parts;
  const [live] = liveSessions(parts, user);
  return {
    sessions: userSessions(parts, user, eventMs).map((facts) => atThisHub(parts, facts)),
    principal: live === undefined ? null : sentPrincipal(live.principal),
    isEnabled: journal !== undefined,
    sinceMs: journal?.sinceMs ?? null,
  };
}

function sessionHere(parts: ExplainParts, id: string): SessionFacts | undefined {
  const live = liveSession(parts, id);
  if (live !== undefined) return atThisHub(parts, liveFactsOf(parts, live));
  const record = parts.journal?.store.find(id);
  return record === undefined ? undefined : atThisHub(parts, factsOfRecord(record));
}

/** Without a cluster there is one hub, and it has no name. */
function atThisHub({ log: { shared } }: ExplainParts, facts: SessionFacts): SessionFacts {
  return shared === undefined ? facts : { ...facts, hub: shared.others.self };
}

function readersHere(parts: ExplainParts, channel: string, position: Position): ChannelReaders {
  let sessions = 0;
  let behind = 0;
  for (const session of liveSessions(parts)) {
    if (!readsChannel(session.channels, channel)) continue;
    sessions++;
    if (session.position < position) behind++;
  }
  return { sessions, behind };
}
