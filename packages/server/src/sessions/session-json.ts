import * as z from 'zod';
import { encodeCursor, TRANSPORTS } from '@polycast/protocol';
import { END_REASONS, type SessionRecord } from '../core/session-journal/session-record.ts';
import type { Feed } from '../core/feed.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/access/principal.ts';
import { isRecorded } from '../auth/sessions.ts';
import { count, cursor, named, text, time, user } from '../http/openapi/schemas.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { isPoller, type LiveSession, type SessionSources } from './live-sessions.ts';

/** Channels that one session shows. */
const CHANNELS_SHOWN = 20;

export const sessionSchema = named('Session', () =>
  z.object({
    session: text({ examples: ['8FTkQ0hGL2xWmN4v'] }),
    state: z.enum(['live', 'ended']),
    hub: text({
      description: 'In a cluster: the hub, as `polycast cluster status` shows it.',
      examples: ['mfx1c0a83b'],
    }).optional(),
    transport: z.enum(TRANSPORTS).nullable().describe('`null`: the hub refused the request.'),
    kind: z.enum(['user', 'server', 'anonymous']),
    user: user().optional(),
    key: text({ description: 'The id of an API key.', examples: ['Ab3dEf6hIj9l'] }).optional(),
    client: text({ description: "The client's own name for itself.", examples: ['tab-1'] }).optional(),
    address: text({ examples: ['203.0.113.7'] }),
    channels: z.array(z.string()).describe(`At most ${CHANNELS_SHOWN}. \`…\`: others are not recorded.`),
    channelsTotal: count(),
    types: z.array(z.string()).optional().describe('The event types that it reads. Absent: all.'),
    excludesOwn: z.literal(true).optional().describe('It leaves out the events of its own client.'),
    opened: time(),
    openedCursor: cursor().nullable().describe('Where it began to read. `null`: not recorded.'),
    cursor: cursor()
      .nullable()
      .describe('Events up to here were handed to the network. `null`: its hub ended without recording it.'),
    behind: count('Only of a live session: the distance to the head of the log, in positions.').optional(),
    polls: count('Only of a poller: its answers.').optional(),
    ended: time().nullable(),
    reason: z.enum(END_REASONS).nullable().describe('Why it ended.'),
  }),
);

export interface SessionJsonParts extends SessionSources {
  readonly feed: Feed;
}

export function liveSessionJson({ feed, journal }: SessionJsonParts, session: LiveSession): object {
  const { id, transport, principal, address, channels, position } = session;
  const stream = !isPoller(session) && isRecorded(session) ? session : undefined;
  const reader = isPoller(session) ? session : stream;
  const openedAt = isPoller(session) ? session.openedAt : openedPosition(journal, stream?.journalNumber ?? 0);
  return {
    session: id,
    state: 'live',
    transport,
    ...callerJson(principal, reader?.client),
    address,
    ...channelsJson(channels, reader?.interest.types, reader?.excludesOwn === true),
    opened: timestampOrNull(session.sinceMs),
    openedCursor: cursorOrNull(feed.epoch, openedAt),
    cursor: encodeCursor(feed.epoch, position),
    behind: Math.max(0, feed.head - position),
    ...(isPoller(session) && { polls: session.polls }),
    ended: null,
    reason: null,
  };
}

function openedPosition(journal: SessionSources['journal'], number: number): Position | undefined {
  return number <= 0 ? undefined : journal?.store.get(number)?.openedAt;
}

/** A session of the journal that is not live. */
export function endedSessionJson(record: SessionRecord): object {
  const { id, transport, client, address, channels, types, excludesOwn, epoch, openedMs, openedAt, end } = record;
  return {
    session: id,
    state: 'ended',
    transport: transport ?? null,
    ...callerJson(record, client),
    address,
    ...channelsJson(channels, types, excludesOwn),
    opened: timestampOrNull(openedMs),
    openedCursor: cursorOrNull(epoch, openedAt),
    cursor: cursorOrNull(epoch, end?.position),
    ...(end !== undefined && end.polls > 0 && { polls: end.polls }),
    ended: timestampOrNull(end?.timeMs),
    reason: end?.reason ?? null,
  };
}

function callerJson({ kind, user, key }: Pick<Principal, 'kind' | 'user' | 'key'>, client: string | undefined): object {
  return {
    kind,
    ...(user !== undefined && { user }),
    ...(key !== undefined && { key }),
    ...(client !== undefined && { client }),
  };
}

function channelsJson(channels: readonly string[], types: Iterable<string> | undefined, excludesOwn: boolean): object {
  return {
    channels: channels.slice(0, CHANNELS_SHOWN),
    channelsTotal: channels.length,
    ...(types !== undefined && { types: [...types] }),
    ...(excludesOwn && { excludesOwn: true }),
  };
}

/** A run that has left the journal leaves sessions without an epoch. */
function cursorOrNull(epoch: string, position: Position | undefined): string | null {
  return position === undefined || epoch === '' ? null : encodeCursor(epoch, position);
}
