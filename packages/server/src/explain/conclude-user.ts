import { keptUntil } from './event-steps.ts';
import type { ExplainParts } from './explain-parts.ts';
import type { Conclusion, ExplainedEvent } from './explanation.ts';
import { momentText } from './moment-text.ts';
import { silentText, type Recording } from './other-hubs.ts';
import type { SessionFacts } from './session-evaluation.ts';
import { END_TEXTS, writtenBetween, type EvaluatedSession } from './session-steps.ts';

/** What a conclusion is drawn from, besides the sessions. */
export interface Context {
  readonly parts: ExplainParts;
  readonly event: ExplainedEvent;
  readonly user: string;
  readonly nowMs: number;
  readonly isAllowed: boolean;
  readonly recording: Recording;
  /** The hubs that did not say which sessions they have. */
  readonly silent: readonly string[];
}

type Rule = (context: Context, sessions: readonly EvaluatedSession[]) => Conclusion | undefined;

/** The first rule with an answer decides. */
const RULES: readonly Rule[] = [
  delivered,
  hubSilent,
  behind,
  gap,
  unknownEnd,
  owed,
  refusedBefore,
  ownEvent,
  filteredByType,
  notAllowed,
  beganLater,
  otherChannel,
  notRecorded,
  away,
];

/** Why a user got an event on these sessions, or did not. The oldest session comes first. */
export function concludeUser(context: Context, sessions: readonly EvaluatedSession[]): Conclusion {
  for (const rule of RULES) {
    const conclusion = rule(context, sessions);
    if (conclusion !== undefined) return conclusion;
  }
  return { outcome: 'unknown', reason: 'not_recorded', sentence: 'Nothing is recorded about it.' };
}

function delivered({ event, user, nowMs }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const found = withVerdict(sessions, 'written')[0];
  if (found === undefined) return undefined;
  const { afterMs } = writtenBetween(found, event);
  const wasOpen = event.timeMs === undefined || found.openedMs <= event.timeMs;
  if (wasOpen)
    return {
      outcome: 'delivered',
      reason: 'delivered',
      sentence: `The event was delivered: session ${found.id} (${found.transport}) of ${user} was open, and the event was handed to the network at ${momentText(afterMs, nowMs)} or soon after.`,
    };
  return {
    outcome: 'delivered',
    reason: 'delivered_later',
    sentence: `The event was delivered later: ${user} was away at ${momentText(event.timeMs ?? afterMs, nowMs)}, came back at ${momentText(found.openedMs, nowMs)} (${found.transport}) with an earlier cursor, and got it then.`,
  };
}

/** A delivery at a hub that is not heard would be a delivery. */
function hubSilent({ user, silent }: Context): Conclusion | undefined {
  if (silent.length === 0) return undefined;
  return {
    outcome: 'unknown',
    reason: 'hub_silent',
    sentence: `No session of ${user} that is known here shows that the event was delivered. ${silentText(silent)} Ask again.`,
  };
}

function behind({ user, nowMs }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const found = sessions.find(({ verdict }) => verdict.kind === 'behind');
  if (found?.verdict.kind !== 'behind') return undefined;
  const { session, verdict } = found;
  return {
    outcome: 'pending',
    reason: 'session_behind',
    sentence: `${user}'s session ${session.id} (${session.transport}), live since ${momentText(session.openedMs, nowMs)}, is ${verdict.positions} positions behind and has not reached the event: its client reads too slowly.`,
  };
}

/** A later session with an earlier cursor came too late. */
function gap({ user, nowMs }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const [found] = withVerdict(sessions, 'gap');
  if (found === undefined) return undefined;
  return {
    outcome: 'missed',
    reason: 'retention',
    sentence: `The event is no longer stored: ${user} read again from ${momentText(found.openedMs, nowMs)} on (session ${found.id}), after retention had removed it, and was told so by a gap.`,
  };
}

function unknownEnd({ user }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const found = withVerdict(sessions, 'unknown')[0];
  if (found === undefined || withVerdict(sessions, 'began_later').length > 0) return undefined;
  return {
    outcome: 'unknown',
    reason: 'not_recorded',
    sentence: `${user}'s session ${found.id} was open, but its hub ended without recording how far it was.`,
  };
}

/** A session that matched was open, and ended without the event. */
function owed(context: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const { user, nowMs } = context;
  const skipped = withVerdict(sessions, 'skipped')[0];
  if (skipped !== undefined)
    return {
      outcome: 'missed',
      reason: 'skipped',
      sentence: `${user} polls without the cursor of the last answer (session ${skipped.id}), so events between two polls are passed over, and this is one.`,
    };
  const ended = withVerdict(sessions, 'unwritten').at(-1);
  if (ended === undefined) return undefined;
  const later = withVerdict(sessions, 'began_later').find(({ openedMs }) => openedMs >= (ended.endedMs ?? 0));
  const end = `${user}'s session ${ended.id} ended at ${momentText(ended.endedMs ?? nowMs, nowMs)} (${END_TEXTS[ended.reason ?? 'network']}) before the event was written`;
  if (later !== undefined)
    return {
      outcome: 'missed',
      reason: 'skipped',
      sentence: `${end}; ${user} came back at ${momentText(later.openedMs, nowMs)} with a later cursor, or without one.`,
    };
  const reason = ended.reason === 'stalled' ? 'stalled' : 'user_away';
  return { ...stillKept(context), reason, sentence: `${end}; there has been none since. ${keptText(context)}` };
}

function refusedBefore({ event, user, nowMs }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const refused = withVerdict(sessions, 'refused').at(-1);
  const later = withVerdict(sessions, 'began_later')[0];
  if (refused === undefined || later === undefined || later.openedMs < refused.openedMs) return undefined;
  return {
    outcome: 'missed',
    reason: 'allowed_since',
    sentence: `${user} may read ${event.channel ?? 'the channel'} only since the event: the hub refused it at ${momentText(refused.openedMs, nowMs)}, and the first session that could read it opened at ${momentText(later.openedMs, nowMs)}.`,
  };
}

function ownEvent({ user }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const [found] = withVerdict(sessions, 'own_event');
  if (found === undefined) return undefined;
  return {
    outcome: 'missed',
    reason: 'own_event',
    sentence: `${user} published the event with the same client (${found.origin}), and the session ${found.id} leaves out its own events (\`exclude=self\`).`,
  };
}

function filteredByType({ event, user }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const [found] = withVerdict(sessions, 'filtered_by_type');
  if (found === undefined) return undefined;
  const type = event.record?.type;
  return {
    outcome: 'missed',
    reason: 'filtered_by_type',
    sentence: `${user}'s session ${found.id} reads only events of the types ${found.types?.join(', ') ?? ''}; the event has ${type === undefined ? 'no type' : `the type ${type}`}.`,
  };
}

function notAllowed({ event, user, isAllowed }: Context): Conclusion | undefined {
  if (isAllowed) return undefined;
  return {
    outcome: 'missed',
    reason: 'not_allowed',
    sentence: `${user} may not read ${event.channel ?? 'the channel'}: no rule allows it.`,
  };
}

function beganLater({ event, user, nowMs }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const [found] = withVerdict(sessions, 'began_later');
  if (found === undefined) return undefined;
  const before = lastBefore(sessions);
  const last =
    before === undefined
      ? `${user} was away at ${momentText(event.timeMs ?? found.openedMs, nowMs)}`
      : `${user}'s session ended at ${momentText(before.endedMs ?? nowMs, nowMs)} (${END_TEXTS[before.reason ?? 'network']}), before the event`;
  return {
    outcome: 'missed',
    reason: 'skipped',
    sentence: `${last}; ${user} came back at ${momentText(found.openedMs, nowMs)} with a later cursor, or without one, and so began behind the event.`,
  };
}

function otherChannel({ event, user }: Context, sessions: readonly EvaluatedSession[]): Conclusion | undefined {
  const found = sessions.findLast(({ verdict }) => verdict.kind === 'other_channel');
  // A session that read the channel, and ended before the event, says more.
  if (found === undefined || lastBefore(sessions) !== undefined) return undefined;
  const { session, verdict } = found;
  const read = session.channels.at(-1)?.channels ?? [];
  const closest = verdict.kind === 'other_channel' ? verdict.closest : undefined;
  const names = closest ?? `${read.slice(0, 3).join(', ')}${read.length > 3 ? ', …' : ''}`;
  return {
    outcome: 'missed',
    reason: 'other_channel',
    sentence: `The event was published to ${event.channel ?? 'another channel'}, which ${user} does not read; ${user} reads ${names === '' ? 'no channel' : names}.`,
  };
}

function notRecorded({ recording: { isEnabled, sinceMs }, event, user, nowMs }: Context): Conclusion | undefined {
  if (isEnabled && sinceMs !== undefined && event.timeMs !== undefined && event.timeMs >= sinceMs) return undefined;
  const since = !isEnabled
    ? 'sessions are not recorded (`sessions.journalEntriesMax` is 0)'
    : sinceMs === undefined
      ? 'no session is recorded yet'
      : `the session journal begins at ${momentText(sinceMs, nowMs)}, after the event`;
  return {
    outcome: 'unknown',
    reason: 'not_recorded',
    sentence: `No session of ${user} shows that the event was delivered, but ${since}.`,
  };
}

function away(context: Context, sessions: readonly EvaluatedSession[]): Conclusion {
  const { user, nowMs } = context;
  const last = lastBefore(sessions);
  const sentence =
    last === undefined
      ? `${user} had no session when the event was published, and there has been none since. ${keptText(context)}`
      : `${user}'s last session ended at ${momentText(last.endedMs ?? nowMs, nowMs)} (${END_TEXTS[last.reason ?? 'network']}), before the event; there has been none since. ${keptText(context)}`;
  return { ...stillKept(context), reason: 'user_away', sentence };
}

/** A reader can still get an event that is stored. */
function stillKept({ parts, event }: Context): Pick<Conclusion, 'outcome'> {
  const isStored = event.record !== undefined && parts.rules.settingsFor(event.record.channel).retain !== 'none';
  return { outcome: isStored ? 'pending' : 'missed' };
}

function keptText({ parts, event: { record }, nowMs }: Context): string {
  if (record === undefined) return 'The event is no longer stored.';
  const settings = parts.rules.settingsFor(record.channel);
  if (settings.retain === 'none') return 'The event was not stored (`retain: none`).';
  const untilMs = keptUntil(settings, record.timeMs);
  return untilMs === undefined
    ? 'The event is still stored.'
    : `The event is kept until ${momentText(untilMs, nowMs)}.`;
}

function lastBefore(sessions: readonly EvaluatedSession[]): SessionFacts | undefined {
  return withVerdict(sessions, 'before').at(-1);
}

function withVerdict(
  sessions: readonly EvaluatedSession[],
  kind: EvaluatedSession['verdict']['kind'],
): readonly SessionFacts[] {
  return sessions.filter(({ verdict }) => verdict.kind === kind).map(({ session }) => session);
}
