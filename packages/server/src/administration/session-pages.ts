import * as z from 'zod';
import { isChannel, TRANSPORTS } from '@polycast/protocol';
import { isUser } from '../core/access/private-channel.ts';
import type { SessionRecord } from '../core/session-journal/session-record.ts';
import { NEWEST_PLACE, type SessionPlace } from '../core/session-journal/session-journal-store.ts';
import { queryParameter } from '../http/route-description.ts';
import { channel, user as userSchema } from '../http/openapi/schemas.ts';
import { integerParameter, limitParameter, textParameter } from '../http/query-parameter.ts';
import { invalidParameter } from '../http/refusals.ts';
import { firstAfterId, liveSessions, readsChannel, type LiveSession } from '../sessions/live-sessions.ts';
import { endedSessionJson, liveSessionJson } from '../sessions/session-json.ts';
import type { AdministrationParts } from './administration-parts.ts';

const STATE = queryParameter(
  'state',
  z.enum(['live', 'ended']).default('live'),
  '`ended`: those of the session journal, newest first.',
);
const USER = textParameter('user', userSchema(), 'Only sessions of this user.', {
  requirement: 'must be the name of a user',
  isMet: isUser,
});
const CHANNEL = textParameter('channel', channel(), 'Only sessions that read this channel.', {
  requirement: 'must be a channel',
  isMet: isChannel,
});
const ADDRESS = textParameter('address', z.string(), 'Only sessions from this address.');
const TRANSPORT = queryParameter('transport', z.enum(TRANSPORTS), 'Only sessions of this transport.');
const BEHIND = integerParameter(
  'behind',
  { min: 1, max: Number.MAX_SAFE_INTEGER },
  'Only live sessions that are at least this many positions behind the head of the log.',
);
const LIMIT = limitParameter(1000, 100, 'The maximum number of sessions.');
const AFTER = textParameter('after', z.string(), '`next` of the previous page.');
export const SESSION_PARAMETERS = [STATE, USER, CHANNEL, ADDRESS, TRANSPORT, BEHIND, LIMIT, AFTER];
/** Rows of the journal that one request examines. */
const SCANNED_MAX = 5000;

/** What a request for a page of sessions says. Other hubs receive it as it is. */
export interface SessionsQuery {
  readonly state: 'live' | 'ended';
  readonly limit: number;
  readonly after: string | undefined;
  readonly behind: number | undefined;
  readonly user: string | undefined;
  readonly channel: string | undefined;
  readonly address: string | undefined;
  readonly transport: string | undefined;
}

/** @throws PolycastError `invalid_parameter` */
export function readSessionsQuery(values: ReadonlyMap<string, string>): SessionsQuery {
  const state = values.get('state') ?? 'live';
  if (state !== 'live' && state !== 'ended') throw invalidParameter('state', 'must be live or ended');
  const transport = values.get('transport');
  if (transport !== undefined && !TRANSPORTS.some((name) => name === transport))
    throw invalidParameter('transport', `must be one of ${TRANSPORTS.join(', ')}`);
  const behind = BEHIND.read(values);
  if (state === 'ended' && behind !== undefined) throw invalidParameter('behind', 'is for live sessions only');
  return {
    state,
    transport,
    behind,
    limit: LIMIT.read(values),
    after: AFTER.read(values),
    user: USER.read(values),
    channel: CHANNEL.read(values),
    address: ADDRESS.read(values),
  };
}

/** A session as JSON, with its place in the order of the list. */
export interface ListedSession {
  readonly session: object;
  /** Of a live session. */
  readonly id: string;
  /** Of an ended one. */
  readonly place: SessionPlace;
}

/** The live sessions of this hub after an id, in the order of the ids: one more than the limit. */
export function livePage(parts: AdministrationParts, query: SessionsQuery): readonly ListedSession[] {
  const isWanted = filterOf(query);
  const { behind = 0, user, after = '', limit } = query;
  const { head } = parts.feed;
  return firstAfterId(
    liveSessions(parts, user),
    after,
    limit + 1,
    (session) => isWanted(session) && head - session.position >= behind,
  ).map((session) => ({ session: liveSessionJson(parts, session), id: session.id, place: NEWEST_PLACE }));
}

export interface EndedPage {
  readonly sessions: readonly ListedSession[];
  /** Where the next page begins. `null`: the journal has no more. */
  readonly next: SessionPlace | null;
}

/** The sessions of this hub's journal before a place, the newest first. */
export function endedPage(parts: AdministrationParts, query: SessionsQuery, start: SessionPlace): EndedPage {
  const { journal } = parts;
  if (journal === undefined) return { sessions: [], next: null };
  const { limit, user } = query;
  const isWanted = filterOf(query);
  const live = new Set([...liveSessions(parts, user)].map(({ id }) => id));
  const sessions: ListedSession[] = [];
  let before = start;
  for (let scanned = 0; scanned < SCANNED_MAX;) {
    const count = Math.min(SCANNED_MAX - scanned, 1000);
    const records = recordsBefore(parts, user, before, count);
    scanned += records.length;
    for (const record of records) {
      before = { number: record.number, openedMs: record.openedMs };
      if (record.end === undefined || live.has(record.id) || !isWanted(record)) continue;
      sessions.push({ session: endedSessionJson(record), id: record.id, place: before });
      if (sessions.length === limit) return { sessions, next: before };
    }
    if (records.length < count) return { sessions, next: null };
  }
  return { sessions, next: before };
}

function recordsBefore(
  { journal }: AdministrationParts,
  user: string | undefined,
  before: SessionPlace,
  limit: number,
): readonly SessionRecord[] {
  if (journal === undefined) return [];
  const { store } = journal;
  return user === undefined ? store.page(before.number, limit) : store.ofUser({ user, before, limit });
}

/** The members of a session that filters look at. */
type Filtered = Pick<LiveSession | SessionRecord, 'transport' | 'address' | 'channels'>;

function filterOf({ channel: name, address, transport }: SessionsQuery): (session: Filtered) => boolean {
  return (session) =>
    (transport === undefined || session.transport === transport) &&
    (address === undefined || session.address === address) &&
    (name === undefined || readsChannel(session.channels, name));
}

/** A place as the `after` of a list. */
export function placeText({ number, openedMs }: SessionPlace): string {
  return `${number}-${openedMs}`;
}

/** @throws PolycastError `invalid_parameter` */
export function parsePlace(text: string): SessionPlace {
  const parsed = /^(\d{1,16})-(\d{1,16})$/.exec(text);
  if (parsed === null) throw invalidParameter('after', 'must be the `next` of a page');
  return { number: Number(parsed[1]), openedMs: Number(parsed[2]) };
}
