import type { ErrorCode } from '@polycast/protocol';
import * as z from 'zod';
import {
  headerParameter,
  json,
  pathParameter,
  queryParameter,
  response,
  withHeaders,
  type Parameter,
  type ResponseDescription,
  type RouteDescription,
} from '../http/route-description.ts';
import { ANY_DATA, BYTES, channel, cursor, cursorOr, pattern } from '../http/openapi/schemas.ts';
import { integerParameter, limitParameter, textParameter, type QueryParameter } from '../http/query-parameter.ts';
import { CLIENT } from '../auth/author.ts';
import { joinWords } from '../core/primitives/english.ts';
import { EVENT_STREAMS } from './event-streams.ts';
import { HISTORY, LIMIT, TYPES_MAX } from './events-query.ts';
import { history, poll, presence } from './schemas.ts';

/** The settings that bound the parameters of reading. */
interface ReadingLimits {
  readonly channelsPerConsumerMax: number;
  readonly pollWaitMaxSeconds: number;
}

const TOKEN = queryParameter(
  'token',
  z.string(),
  'Credentials, for clients that cannot set headers. The hub never logs them.',
);
const CHANNEL = pathParameter('channel', channel(), 'The channel.');
const IF_NONE_MATCH = headerParameter(
  'If-None-Match',
  z.string(),
  'The `ETag` of the last response. The response is `304` if nothing has changed.',
);

/** `?wait=`: the seconds that the hub holds an answer. */
function waitParameter(maxSeconds: number, doc: string): QueryParameter<number | undefined> {
  return integerParameter('wait', { min: 0, max: maxSeconds }, doc);
}

/** The parameters of a history's query. */
export const HISTORY_LIMIT: QueryParameter<number> = limitParameter(1000, 100, 'The maximum number of events.');
export const HISTORY_PARAMETERS: readonly Parameter[] = [
  HISTORY_LIMIT,
  textParameter('before', cursor(), 'The page that ends before this cursor: `previous` of the following page.'),
  textParameter('after', cursor(), 'The page that begins after this cursor: `next` of the preceding page.'),
  TOKEN,
];
/** The parameters of a query about presence. */
export const PRESENCE_PARAMETERS: readonly Parameter[] = [TOKEN];

const STREAMS = Object.values(EVENT_STREAMS);
const STREAM_TITLES = STREAMS.map(({ description }) => description.title);

const COMMON_ERRORS: readonly ErrorCode[] = [
  'unauthorized',
  'token_expired',
  'forbidden',
  'identity_unavailable',
  'log_unavailable',
  'invalid_parameter',
  'draining',
];

/** `GET /v1/events`. `events-query.ts` reads its query. */
export function describeEvents({ channelsPerConsumerMax, pollWaitMaxSeconds }: ReadingLimits): RouteDescription {
  return {
    operationId: 'readEvents',
    allowsAnonymous: true,
    summary: `Reads events: ${joinWords(['short poll', 'long poll', ...STREAM_TITLES, 'WebSocket'], 'or')}.`,
    section: '4',
    details:
      'The request selects the transport: `Upgrade: websocket` with the subprotocol `polycast.v1` or none, otherwise `Accept`. Without `Accept` it is a poll.',
    parameters: [
      {
        ...queryParameter(
          'channel',
          z.array(pattern()).min(1).max(channelsPerConsumerMax),
          'A channel or pattern; repeatable. Optional for a WebSocket, which can subscribe later.',
        ),
        required: true,
      },
      queryParameter(
        'after',
        cursorOr('earliest', 'now').meta({ default: 'now' }),
        'Begin after this cursor, with `earliest` (all stored events) or with `now`.',
      ),
      HISTORY,
      queryParameter('type', z.array(z.string()).max(TYPES_MAX), 'Only events of this type. Repeatable.'),
      LIMIT,
      waitParameter(pollWaitMaxSeconds, 'Polls: the longest time to wait for an event, in seconds.'),
      TOKEN,
      queryParameter(
        'client',
        z.string().regex(CLIENT),
        'A name that the client chooses, the same over all its connections.',
      ),
      queryParameter('exclude', z.enum(['self']), '`self`: without events that this client has published.'),
      queryParameter('presence', z.enum(['none']), '`none`: this short poll does not count as presence.'),
      queryParameter(
        'lastEventId',
        cursor(),
        'The same as the header `Last-Event-ID`, for clients that cannot set headers. The header takes precedence.',
      ),
      headerParameter(
        'Last-Event-ID',
        cursor(),
        'Server-Sent Events: the cursor to resume from. Takes precedence over `lastEventId`, `after` and `history`.',
      ),
      headerParameter('Prefer', z.string(), '`wait=S`, the same as the parameter `wait` (RFC 7240).'),
      IF_NONE_MATCH,
    ],
    responses: eventsResponses(),
    errors: EVENTS_ERRORS,
  };
}

function eventsResponses(): readonly ResponseDescription[] {
  return [
    withHeaders(
      response(
        200,
        'Events: immediately if there are any, otherwise when the wait ends. Or an event stream.',
        json(poll(), 'A poll.'),
        ...STREAMS.map(({ mediaType, description: { response: doc, section, example } }) => ({
          mediaType,
          schema: z.string(),
          doc: `${doc} (PROTOCOL.md section ${section}).`,
          example,
        })),
      ),
      {
        ETag: 'For polls: the value for `If-None-Match`.',
        'Preference-Applied': '`wait=S` if the hub applied the preference.',
      },
    ),
    response(101, 'A WebSocket (PROTOCOL.md section 7).'),
    response(304, 'Nothing has changed since the response with that `ETag`.'),
  ];
}

const EVENTS_ERRORS: readonly ErrorCode[] = [
  ...COMMON_ERRORS,
  'invalid_header',
  'invalid_pattern',
  'invalid_cursor',
  'channel_missing',
  'too_many_channels',
  'unsupported_subprotocol',
  'origin_not_allowed',
  'not_acceptable',
  'upgrade_required',
  'too_many_connections',
  'overloaded',
];

/** `GET /v1/channels/{c}`. `channel-route.ts` reads its query. */
export function describeChannel({ pollWaitMaxSeconds }: ReadingLimits): RouteDescription {
  return {
    operationId: 'readChannel',
    allowsAnonymous: true,
    summary: 'Reads the data of the newest event, as it was published.',
    section: '10.1',
    details: 'With `If-None-Match` and `wait` it is a blocking query: the hub responds when there is a newer event.',
    parameters: [
      CHANNEL,
      waitParameter(pollWaitMaxSeconds, 'The longest time to wait for a change, in seconds.'),
      IF_NONE_MATCH,
      TOKEN,
    ],
    responses: [
      // Bytes come first: generated clients do not know ranges of media types, and use the first
      // type for all.
      withHeaders(response(200, 'The data, with its own media type.', BYTES, ANY_DATA), {
        ETag: 'The id of the event.',
        'Polycast-Type': 'The type of the event.',
        'Last-Modified': 'The time at which the hub accepted the event.',
        Link: '`rel="hub"` and `rel="self"`, as WebSub requires.',
      }),
      response(304, 'The channel has no newer event.'),
    ],
    errors: [
      ...COMMON_ERRORS,
      'invalid_channel',
      'channel_empty',
      'event_damaged',
      'too_many_connections',
      'overloaded',
    ],
  };
}

export function describeHistory(): RouteDescription {
  return {
    operationId: 'readHistory',
    allowsAnonymous: true,
    summary: 'Reads the stored events of a channel, page by page, in both directions.',
    section: '10.2',
    details: 'Without `before` and `after` it returns the newest page.',
    parameters: [CHANNEL, ...HISTORY_PARAMETERS],
    responses: [
      withHeaders(response(200, 'A page.', json(history(), 'The events, oldest first.')), {
        Link: '`rel="prev"` and `rel="next"`.',
      }),
    ],
    errors: [...COMMON_ERRORS, 'invalid_channel', 'invalid_cursor'],
  };
}

export function describePresence(): RouteDescription {
  return {
    operationId: 'readPresence',
    allowsAnonymous: true,
    summary: 'Reads the presence of a channel.',
    section: '13.6',
    details:
      'The response has the cursor at which it is valid. The later events of `polycast.presence.{channel}` bring it up to date.',
    parameters: [CHANNEL, ...PRESENCE_PARAMETERS],
    responses: [response(200, 'The presence of the channel.', json(presence(), 'The members, or only counts.'))],
    errors: [...COMMON_ERRORS, 'invalid_channel', 'not_found', 'hub_silent'],
  };
}
