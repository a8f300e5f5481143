import type { ErrorCode } from '@polycast/protocol';
import { ADMINISTRATION_OPERATIONS } from './administration-operations.ts';
import { ANY_DATA, BYTES } from './binary-contents.ts';
import { DIALECT_OPERATIONS } from './dialect-operations.ts';
import type { ResponseDescription, Content, Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';
import { SUBSCRIPTION_OPERATIONS } from './subscription-operations.ts';
import { userOperations } from './user-operations.ts';

const TOKEN: Parameter = {
  name: 'token',
  in: 'query',
  schema: { type: 'string' },
  doc: 'Credentials, for clients that can set no header; never logged.',
};
const CHANNEL: Parameter = { name: 'channel', in: 'path', schema: ref('Channel'), required: true, doc: 'The channel.' };
const WAIT: Parameter = {
  name: 'wait',
  in: 'query',
  schema: { type: 'integer', minimum: 0, maximum: 60 },
  doc: 'Hold the answer for up to this many seconds until there is something new.',
};
const LIMIT: Parameter = {
  name: 'limit',
  in: 'query',
  schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
  doc: 'At most this many events.',
};
const IF_NONE_MATCH: Parameter = {
  name: 'If-None-Match',
  in: 'header',
  schema: { type: 'string' },
  doc: 'The `ETag` of the last answer: `304` while nothing has changed.',
};
const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
  doc: 'For 24 hours the same key gets the first answer again; for several events it stands for `key#0`, `key#1`, ….',
};

const TYPE: Parameter = {
  name: 'Polycast-Type',
  in: 'header',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
  doc: "The event's type.",
};

const READ_ERRORS: readonly ErrorCode[] = [
  'invalid_header',
  'token_expired',
  'identity_unavailable',
  'log_unavailable',
  'invalid_parameter',
  'invalid_pattern',
  'invalid_cursor',
  'unauthorized',
  'forbidden',
];
const READ_CHANNEL_ERRORS: readonly ErrorCode[] = [
  'invalid_channel',
  'invalid_parameter',
  'unauthorized',
  'token_expired',
  'forbidden',
  'identity_unavailable',
  'log_unavailable',
  'draining',
];
const PUBLISH_ERRORS: readonly ErrorCode[] = [
  'invalid_header',
  'invalid_parameter',
  'origin_not_allowed',
  'token_expired',
  'identity_unavailable',
  'unsupported_media_type',
  'invalid_json',
  'invalid_utf8',
  'json_too_deep',
  'invalid_event',
  'invalid_channel',
  'unauthorized',
  'forbidden',
  'request_timeout',
  'idempotency_in_progress',
  'body_too_large',
  'event_too_large',
  'event_invalid',
  'idempotency_key_reused',
  'rate_limited',
  'channel_limit',
  'log_unavailable',
  'log_full',
  'overloaded',
  'draining',
];
const REPLAYED = { 'Idempotency-Replayed': '`true` when the key was used before and nothing was published now.' };
const LINKS = '`rel="hub"` and `rel="self"`, as WebSub asks for.';

const readEvents: Operation = {
  method: 'GET',
  path: '/v1/events',
  name: 'readEvents',
  allowsAnonymous: true,
  summary: 'Reads events: short poll, long poll, Server-Sent Events or WebSocket.',
  section: '4',
  doc: 'The form follows from the request: `Upgrade: websocket` with the subprotocol `polycast.v1` or none, else `Accept`. Without an `Accept` it is a poll.',
  parameters: [
    {
      name: 'channel',
      in: 'query',
      schema: { ...list(ref('Pattern')), minItems: 1, maxItems: 100 },
      required: true,
      doc: 'A channel or pattern; repeatable. A WebSocket may leave it out and subscribe later.',
    },
    {
      name: 'after',
      in: 'query',
      schema: { anyOf: [ref('Cursor'), { enum: ['earliest', 'now'] }], default: 'now' },
      doc: 'Begin after this cursor, with all that is kept, or with what comes.',
    },
    {
      name: 'history',
      in: 'query',
      schema: { type: 'integer', minimum: 1, maximum: 1000 },
      doc: 'Begin with the last N events; not together with `after`.',
    },
    {
      name: 'type',
      in: 'query',
      schema: { ...list({ type: 'string' }), maxItems: 20 },
      doc: 'Only events of this type. Repeatable.',
    },
    { ...LIMIT, doc: 'Polls: at most this many events in the answer.' },
    { ...WAIT, doc: 'Polls: hold the answer for up to this many seconds until there is an event.' },
    TOKEN,
    {
      name: 'client',
      in: 'query',
      schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
      doc: "The client's own name for itself, which outlives its connections.",
    },
    {
      name: 'exclude',
      in: 'query',
      schema: { enum: ['self'] },
      doc: '`self`: without what this client has published itself.',
    },
    {
      name: 'presence',
      in: 'query',
      schema: { enum: ['none'] },
      doc: '`none`: this short poll does not count as presence.',
    },
    {
      name: 'lastEventId',
      in: 'query',
      schema: ref('Cursor'),
      doc: 'The header `Last-Event-ID`, for clients that can set no header; the header goes before it.',
    },
    {
      name: 'Last-Event-ID',
      in: 'header',
      schema: ref('Cursor'),
      doc: 'Server-Sent Events: where to go on; goes before `lastEventId`, `after` and `history`.',
    },
    {
      name: 'Prefer',
      in: 'header',
      schema: { type: 'string' },
      doc: '`wait=S`, the same as the parameter `wait` (RFC 7240).',
    },
    IF_NONE_MATCH,
  ],
  bodies: [],
  answers: [
    {
      status: 200,
      doc: 'Events, at once, when there are some or when the wait is over; or a stream.',
      contents: [
        { mediaType: 'application/json', schema: ref('Poll'), doc: 'A poll.' },
        {
          mediaType: 'text/event-stream',
          schema: { type: 'string' },
          doc: 'A stream of events (PROTOCOL.md section 6).',
        },
      ],
      headers: {
        ETag: 'Of a poll, for `If-None-Match`.',
        'Preference-Applied': '`wait=S` when the preference was taken.',
      },
    },
    { status: 101, doc: 'A WebSocket (PROTOCOL.md section 7).', contents: [] },
    { status: 304, doc: 'Nothing has changed since the answer with that `ETag`.', contents: [] },
  ],
  errors: [
    ...READ_ERRORS,
    'channel_missing',
    'too_many_channels',
    'unsupported_subprotocol',
    'origin_not_allowed',
    'not_acceptable',
    'upgrade_required',
    'too_many_connections',
    'overloaded',
    'draining',
  ],
};

const publishEvents: Operation = {
  method: 'POST',
  path: '/v1/events',
  name: 'publishEvents',
  allowsAnonymous: true,
  summary: 'Publishes one event, a list, a stream of lines, or CloudEvents.',
  section: '8.1',
  doc: 'The answer comes once the event is durable. In a list or a stream each item has its own result; one that is refused does not hold up the others. With `ce-` headers the body is the data of a CloudEvent in binary mode.',
  parameters: [IDEMPOTENCY_KEY],
  bodies: [
    {
      mediaType: 'application/json',
      schema: { oneOf: [ref('NewEvent'), { ...list(ref('NewEvent')), maxItems: 10_000 }] },
      doc: 'One event, or at most 10,000.',
    },
    { mediaType: 'application/x-ndjson', schema: { type: 'string' }, doc: 'An event a line, any number.' },
    { mediaType: 'application/cloudevents+json', schema: ref('CloudEvent'), doc: 'A CloudEvent.' },
    { mediaType: 'application/cloudevents-batch+json', schema: list(ref('CloudEvent')), doc: 'CloudEvents.' },
  ],
  answers: [
    publishedResponse(),
    {
      status: 200,
      doc: 'A result for each item, in order.',
      contents: [
        { mediaType: 'application/json', schema: list(ref('Result')), doc: 'For a list.' },
        {
          mediaType: 'application/x-ndjson',
          schema: { type: 'string' },
          doc: 'For a stream: a result a line, sent while the body is read.',
        },
      ],
    },
  ],
  errors: [...PUBLISH_ERRORS, 'duplicate_member', 'precondition_failed', 'batch_too_large'],
};

const publishToChannel: Operation = {
  method: 'POST',
  path: '/v1/channels/{channel}/events',
  name: 'publishToChannel',
  allowsAnonymous: true,
  summary: 'Publishes the body as it is, of any media type.',
  section: '8.3',
  doc: 'JSON becomes the `data` of the event, text a string, everything else `data_base64`.',
  parameters: [
    CHANNEL,
    TYPE,
    IDEMPOTENCY_KEY,
    {
      name: 'If-Match',
      in: 'header',
      schema: { type: 'string' },
      doc: "Only if this cursor, or one of a list, is the id of the channel's newest event; `*`: only if it has one.",
    },
    {
      name: 'If-None-Match',
      in: 'header',
      schema: { type: 'string', enum: ['*'] },
      doc: 'Only if the channel has no event.',
    },
  ],
  bodies: [{ mediaType: 'application/json', schema: {}, doc: 'Any JSON.' }, BYTES, ANY_DATA],
  answers: [publishedResponse()],
  errors: [...PUBLISH_ERRORS, 'precondition_failed'],
};

const readChannel: Operation = {
  method: 'GET',
  path: '/v1/channels/{channel}',
  name: 'readChannel',
  allowsAnonymous: true,
  summary: "Reads the newest event's data as it was published.",
  section: '10.1',
  doc: 'With `If-None-Match` and `wait` it is a blocking query: the answer comes once there is a newer event.',
  parameters: [CHANNEL, WAIT, IF_NONE_MATCH, TOKEN],
  bodies: [],
  answers: [
    {
      status: 200,
      doc: 'The data, in its own media type.',
      // Bytes come first: generated clients do not know ranges of media types, and use the first
      // type for all.
      contents: [BYTES, ANY_DATA],
      headers: {
        ETag: "The event's id.",
        'Polycast-Type': "The event's type.",
        'Last-Modified': 'When the hub accepted it.',
        Link: LINKS,
      },
    },
    { status: 304, doc: 'There is no newer event.', contents: [] },
  ],
  errors: [...READ_CHANNEL_ERRORS, 'channel_empty', 'event_damaged', 'too_many_connections', 'overloaded'],
};

const readHistory: Operation = {
  method: 'GET',
  path: '/v1/channels/{channel}/history',
  name: 'readHistory',
  allowsAnonymous: true,
  summary: 'Reads what the channel keeps, page by page, in both directions.',
  section: '10.2',
  doc: 'Without `before` and `after` it is the newest page.',
  parameters: [
    CHANNEL,
    LIMIT,
    {
      name: 'before',
      in: 'query',
      schema: ref('Cursor'),
      doc: 'The page that ends before this cursor: `previous` of the page after it.',
    },
    {
      name: 'after',
      in: 'query',
      schema: ref('Cursor'),
      doc: 'The page that begins after this cursor: `next` of the page before it.',
    },
    TOKEN,
  ],
  bodies: [],
  answers: [
    {
      status: 200,
      doc: 'A page.',
      contents: [{ mediaType: 'application/json', schema: ref('History'), doc: 'The events, the oldest first.' }],
      headers: { Link: '`rel="prev"` and `rel="next"`.' },
    },
  ],
  errors: [...READ_CHANNEL_ERRORS, 'invalid_cursor'],
};

const operatorOperations: readonly Operation[] = [
  operatorOperation('/healthz', 'health', 'Whether the process works.', 'application/json'),
  {
    ...operatorOperation('/readyz', 'ready', 'Whether it takes work.', 'application/json'),
    doc: '`503` while it starts, drains or cannot write its log; `why` says which.',
  },
  operatorOperation('/metrics', 'metrics', 'What it does, for Prometheus.', 'text/plain'),
  operatorOperation('/openapi.json', 'openApi', 'This description.', 'application/json'),
];

/** All operations, in the order of the reference. */
export const OPERATIONS: readonly Operation[] = [
  readEvents,
  publishEvents,
  publishToChannel,
  readChannel,
  readHistory,
  ...userOperations(PUBLISH_ERRORS, IDEMPOTENCY_KEY, publishedResponse(), TYPE),
  ...SUBSCRIPTION_OPERATIONS,
  ...DIALECT_OPERATIONS,
  ...ADMINISTRATION_OPERATIONS,
  ...operatorOperations,
];

function publishedResponse(): ResponseDescription {
  const content: Content = { mediaType: 'application/json', schema: ref('Published'), doc: 'What was published.' };
  return { status: 201, doc: 'Published, and durable.', contents: [content], headers: REPLAYED };
}

function operatorOperation(path: string, name: string, summary: string, mediaType: string): Operation {
  const schema = { type: mediaType === 'text/plain' ? 'string' : 'object' };
  const answer = { status: 200, doc: summary, contents: [{ mediaType, schema, doc: summary }] };
  return {
    method: 'GET',
    path,
    name,
    summary,
    section: '12',
    doc: '',
    parameters: [],
    bodies: [],
    answers: [answer],
    errors: [],
  };
}
