import { NEWEST_PLACE } from '../core/session-journal/session-journal-store.ts';
import type { SessionRecord } from '../core/session-journal/session-record.ts';
import { isRecorded } from '../auth/sessions.ts';
import { isPoller, liveSessions, type LiveSession } from '../sessions/live-sessions.ts';
import type { ExplainParts } from './explain-parts.ts';
import { factsOfLive, factsOfRecord, type SessionFacts } from './session-evaluation.ts';

/**
 * Sessions before the event that are examined, the newest first. A long one may be further back.
 */
const BEFORE_MAX = 200;
/** Sessions from the event on, the oldest first. */
const AFTER_MAX = 50;

/**
 * A user's sessions at this hub that matter for an event, the oldest first. They are those that
 * were open when it was accepted, the last one before them, and the later ones.
 */
export function userSessions(parts: ExplainParts, user: string, eventMs: number | undefined): readonly SessionFacts[] {
  const { journal } = parts;
  const live = [...liveSessions(parts, user)];
  const liveFacts = live.map((session) => liveFactsOf(parts, session));
  if (journal === undefined) return liveFacts;
  const liveIds = new Set(live.map(({ id }) => id));
  const ended = recordsAround(parts, user, eventMs)
    .filter(({ id, end }) => end !== undefined && !liveIds.has(id))
    .map(factsOfRecord);
  return [...ended, ...liveFacts].sort((one, other) => one.openedMs - other.openedMs);
}

export function liveFactsOf(parts: ExplainParts, session: LiveSession): SessionFacts {
  const { journal, feed } = parts;
  const number = isPoller(session) ? session.number : isRecorded(session) ? session.journalNumber : 0;
  return factsOfLive(session, feed.epoch, number <= 0 ? undefined : journal?.store.get(number));
}

function recordsAround({ journal }: ExplainParts, user: string, timeMs: number | undefined): readonly SessionRecord[] {
  if (journal === undefined) return [];
  const { store } = journal;
  if (timeMs === undefined) return store.ofUser({ user, before: NEWEST_PLACE, limit: BEFORE_MAX });
  const earlier = store.ofUser({ user, before: { openedMs: timeMs, number: 0 }, limit: BEFORE_MAX });
  const later = store.ofUser({ user, fromMs: timeMs, limit: AFTER_MAX });
  const isOpenThen = ({ end }: SessionRecord): boolean => end !== undefined && end.timeMs >= timeMs;
  const lastBefore = earlier.find((record) => !isOpenThen(record) && record.end?.reason !== 'refused');
  const refused = earlier.filter(({ end }) => end?.reason === 'refused').slice(0, 1);
  return [
    ...refused,
    ...(lastBefore === undefined ? [] : [lastBefore]),
    ...earlier.filter(isOpenThen).toReversed(),
    ...later,
  ];
}
