import * as z from 'zod';
import { isChannel, PolycastError, TRANSPORTS } from '@polycast/protocol';
import { isUser } from '../core/access/private-channel.ts';
import type { SessionRecord } from '../core/session-journal/session-record.ts';
import { NEWEST_PLACE, type SessionPlace } from '../core/session-journal/session-journal-store.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { Route } from '../auth/route.ts';
import { routeMaker } from '../auth/route-maker.ts';
import { json, pathParameter, queryParameter, response, type RouteDescription } from '../http/route-description.ts';
import { channel, named, text, time, user as userSchema } from '../http/openapi/schemas.ts';
import { integerParameter, limitParameter, readQuery, textParameter } from '../http/query-parameter.ts';
import { invalidParameter } from '../http/refusals.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import {
  endSession,
  firstAfterId,
  liveSession,
  liveSessions,
  readsChannel,
  type LiveSession,
} from '../sessions/live-sessions.ts';
import { endedSessionJson, liveSessionJson, sessionSchema } from '../sessions/session-json.ts';
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
const PARAMETERS = [STATE, USER, CHANNEL, ADDRESS, TRANSPORT, BEHIND, LIMIT, AFTER];
/** Rows of the journal that one request examines. */
const SCANNED_MAX = 5000;

/** `/v1/sessions` (PROTOCOL.md section 13.10). */
export function sessionRoutes(parts: AdministrationParts): readonly Route[] {
  const route = routeMaker({
    requires: 'admin',
    path: '/v1/sessions/:session',
    describe: (own: Omit<RouteDescription, 'section' | 'parameters'>) => ({
      section: '13.10',
      parameters: [
        pathParameter('session', z.string().meta({ examples: ['8FTkQ0hGL2xWmN4v'] }), 'The id of the session.'),
      ],
      errors: ['not_found'],
      ...own,
    }),
    prepare: (request) => [parts, request, request.parameters['session'] ?? ''] as const,
  });
  return [
    listRoute(parts),
    route('GET', '', read, () => ({
      operationId: 'readSession',
      summary: 'Reads a session, live or ended.',
      responses: [response(200, 'The session.', json(sessionSchema(), 'The session.'))],
    })),
    route('DELETE', '', end, () => ({
      operationId: 'endSession',
      summary: 'Ends a live session.',
      details:
        'The client receives `draining` and may connect again at once. To lock it out, revoke its credentials (section 13.3).',
      responses: [response(200, 'Ended.', json(endedSchema(), 'The session.'))],
    })),
  ];
}

const listSchema = named('SessionList', () =>
  z.object({
    sessions: z.array(sessionSchema()),
    next: z.string().nullable(),
    journal: z.object({
      enabled: z.boolean(),
      since: time('Everything since this time is recorded. `null`: nothing is.').nullable(),
    }),
  }),
);

const endedSchema = named('EndedSession', () =>
  z.object({
    session: text({ examples: ['8FTkQ0hGL2xWmN4v'] }),
    transport: z.enum(TRANSPORTS),
    user: userSchema().optional(),
  }),
);

function listRoute(parts: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/sessions',
    requires: 'admin',
    description: () => ({
      operationId: 'listSessions',
      summary: 'Lists the live sessions, or those of the journal.',
      section: '13.10',
      details: 'A page may have fewer sessions than requested, or none, and still a next page.',
      parameters: PARAMETERS,
      responses: [response(200, 'A page.', json(listSchema(), '`next` is the `after` of the next page.'))],
      errors: ['invalid_parameter'],
    }),
    handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      const state = values.get('state') ?? 'live';
      if (state !== 'live' && state !== 'ended') throw invalidParameter('state', 'must be live or ended');
      const page = state === 'live' ? livePage(parts, values) : endedPage(parts, values);
      const { journal } = parts;
      const since = timestampOrNull(journal?.sinceMs);
      request.respondJson(200, { ...page, journal: { enabled: journal !== undefined, since } });
    },
  };
}

interface Page {
  readonly sessions: readonly object[];
  readonly next: string | null;
}

type Values = ReadonlyMap<string, string>;

/** The members of a session that filters look at. */
type Filtered = Pick<LiveSession | SessionRecord, 'transport' | 'address' | 'channels'>;

function filterOf(values: Values): (session: Filtered) => boolean {
  const channelName = CHANNEL.read(values);
  const address = ADDRESS.read(values);
  const transport = values.get('transport');
  if (transport !== undefined && !TRANSPORTS.some((name) => name === transport))
    throw invalidParameter('transport', `must be one of ${TRANSPORTS.join(', ')}`);
  return (session) =>
    (transport === undefined || session.transport === transport) &&
    (address === undefined || session.address === address) &&
    (channelName === undefined || readsChannel(session.channels, channelName));
}

function livePage(parts: AdministrationParts, values: Values): Page {
  const limit = LIMIT.read(values);
  const isWanted = filterOf(values);
  const behindMin = BEHIND.read(values) ?? 0;
  const { head } = parts.feed;
  const found = firstAfterId(
    liveSessions(parts, USER.read(values)),
    AFTER.read(values) ?? '',
    limit + 1,
    (session) => isWanted(session) && head - session.position >= behindMin,
  );
  const shown = found.slice(0, limit);
  return {
    sessions: shown.map((session) => liveSessionJson(parts, session)),
    next: found.length > limit ? (shown.at(-1)?.id ?? null) : null,
  };
}

function endedPage(parts: AdministrationParts, values: Values): Page {
  if (values.has('behind')) throw invalidParameter('behind', 'is for live sessions only');
  const { journal } = parts;
  if (journal === undefined) return { sessions: [], next: null };
  const limit = LIMIT.read(values);
  const isWanted = filterOf(values);
  const user = USER.read(values);
  const live = new Set([...liveSessions(parts, user)].map(({ id }) => id));
  const sessions: object[] = [];
  let before = endedBefore(values);
  for (let scanned = 0; scanned < SCANNED_MAX;) {
    const count = Math.min(SCANNED_MAX - scanned, 1000);
    const records = recordsBefore(parts, user, before, count);
    scanned += records.length;
    for (const record of records) {
      before = { number: record.number, openedMs: record.openedMs };
      if (record.end === undefined || live.has(record.id) || !isWanted(record)) continue;
      sessions.push(endedSessionJson(record));
      if (sessions.length === limit) return { sessions, next: nextOf(before) };
    }
    if (records.length < count) return { sessions, next: null };
  }
  return { sessions, next: nextOf(before) };
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

function endedBefore(values: Values): SessionPlace {
  const after = AFTER.read(values);
  if (after === undefined) return NEWEST_PLACE;
  const parsed = /^(\d{1,15})-(\d{1,15})$/.exec(after);
  if (parsed === null) throw invalidParameter('after', 'must be the `next` of a page');
  return { number: Number(parsed[1]), openedMs: Number(parsed[2]) };
}

function nextOf({ number, openedMs }: SessionPlace): string {
  return `${number}-${openedMs}`;
}

function read(parts: AdministrationParts, request: AuthorizedRequest, id: string): void {
  const session = liveSession(parts, id);
  if (session !== undefined) return request.respondJson(200, liveSessionJson(parts, session));
  const record = parts.journal?.store.find(id);
  if (record === undefined) throw noSuchSession();
  request.respondJson(200, endedSessionJson(record));
}

function end(parts: AdministrationParts, request: AuthorizedRequest, id: string): void {
  const session = liveSession(parts, id);
  if (session === undefined) throw noSuchSession();
  const {
    transport,
    principal: { user },
  } = session;
  endSession(parts, session);
  const named = user === undefined ? {} : { user };
  parts.audit.record({ action: 'session.ended', subject: id, by: request.actor, detail: { transport, ...named } });
  request.respondJson(200, { session: id, transport, ...named });
}

function noSuchSession(): PolycastError {
  return new PolycastError('not_found', 'There is no such session.');
}
