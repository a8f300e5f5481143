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
  doc: 'Credentials, for clients that cannot set headers. The hub never logs them.',
};
const CHANNEL: Parameter = { name: 'channel', in: 'path', schema: ref('Channel'), required: true, doc: 'The channel.' };
const WAIT: Parameter = {
  name: 'wait',
  in: 'query',
  schema: { type: 'integer', minimum: 0, maximum: 60 },
  doc: 'The longest time to wait for a change, in seconds.',
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
  doc: 'The `ETag` of the last response. The response is `304` if nothing has changed.',
};
const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
  doc: 'For 24 hours, a request with the same key gets the first response again. For several events it stands for `key#0`, `key#1`, ….',
};

const TYPE: Parameter = {
  name: 'Polycast-Type',
  in: 'header',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
  doc: 'The type of the event.',
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
const REPLAYED = { 'Idempotency-Replayed': '`true` if the key was used before and this request published nothing.' };
const LINKS = '`rel="hub"` and `rel="self"`, as WebSub requires.';

const readEvents: Operation = {
  method: 'GET',
  path: '/v1/events',
  name: 'readEvents',
  allowsAnonymous: true,
  summary: 'Reads events: short poll, long poll, Server-Sent Events or WebSocket.',
  section: '4',
  doc: 'The request selects the transport: `Upgrade: websocket` with the subprotocol `polycast.v1` or none, otherwise `Accept`. Without `Accept` it is a poll.',
  parameters: [
    {
      name: 'channel',
      in: 'query',
      schema: { ...list(ref('Pattern')), minItems: 1, maxItems: 100 },
      required: true,
      doc: 'A channel or pattern; repeatable. Optional for a WebSocket, which can subscribe later.',
    },
    {
      name: 'after',
      in: 'query',
      schema: { anyOf: [ref('Cursor'), { enum: ['earliest', 'now'] }], default: 'now' },
      doc: 'Begin after this cursor, with `earliest` (all stored events) or with `now`.',
    },
    {
      name: 'history',
      in: 'query',
      schema: { type: 'integer', minimum: 1, maximum: 1000 },
      doc: 'Begin with the last N events. Cannot be combined with `after`.',
    },
    {
      name: 'type',
      in: 'query',
      schema: { ...list({ type: 'string' }), maxItems: 20 },
      doc: 'Only events of this type. Repeatable.',
    },
    { ...LIMIT, doc: 'Polls: the maximum number of events in the response.' },
    { ...WAIT, doc: 'Polls: the longest time to wait for an event, in seconds.' },
    TOKEN,
    {
      name: 'client',
      in: 'query',
      schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
      doc: 'A name that the client chooses, the same over all its connections.',
    },
    {
      name: 'exclude',
      in: 'query',
      schema: { enum: ['self'] },
      doc: '`self`: without events that this client has published.',
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
      doc: 'The same as the header `Last-Event-ID`, for clients that cannot set headers. The header takes precedence.',
    },
    {
      name: 'Last-Event-ID',
      in: 'header',
      schema: ref('Cursor'),
      doc: 'Server-Sent Events: the cursor to resume from. Takes precedence over `lastEventId`, `after` and `history`.',
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
      doc: 'Events: at once if there are some, otherwise when the wait ends. Or an event stream.',
      contents: [
        { mediaType: 'application/json', schema: ref('Poll'), doc: 'A poll.' },
        {
          mediaType: 'text/event-stream',
          schema: { type: 'string' },
          doc: 'An event stream (PROTOCOL.md section 6).',
        },
        {
          mediaType: 'application/x-ndjson',
          schema: { type: 'string' },
          doc: 'A stream of JSON lines (PROTOCOL.md section 6.7).',
        },
      ],
      headers: {
        ETag: 'For polls: the value for `If-None-Match`.',
        'Preference-Applied': '`wait=S` if the hub applied the preference.',
      },
    },
    { status: 101, doc: 'A WebSocket (PROTOCOL.md section 7).', contents: [] },
    { status: 304, doc: 'Nothing has changed since the response with that `ETag`.', contents: [] },
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
  doc: 'The hub responds when the event is durable. In a list or a stream each item has its own result, and a refused item does not affect the others. With `ce-` headers the body is the data of a CloudEvent in binary mode.',
  parameters: [IDEMPOTENCY_KEY],
  bodies: [
    {
      mediaType: 'application/json',
      schema: { oneOf: [ref('NewEvent'), { ...list(ref('NewEvent')), maxItems: 10_000 }] },
      doc: 'One event, or at most 10,000.',
    },
    { mediaType: 'application/x-ndjson', schema: { type: 'string' }, doc: 'One event per line, any number.' },
    { mediaType: 'application/cloudevents+json', schema: ref('CloudEvent'), doc: 'A CloudEvent.' },
    { mediaType: 'application/cloudevents-batch+json', schema: list(ref('CloudEvent')), doc: 'CloudEvents.' },
  ],
  answers: [
    publishedResponse(),
    {
      status: 200,
      doc: 'One result per item, in order.',
      contents: [
        { mediaType: 'application/json', schema: list(ref('Result')), doc: 'For a list.' },
        {
          mediaType: 'application/x-ndjson',
          schema: { type: 'string' },
          doc: 'For a stream: one result per line, sent while the hub reads the body.',
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
  summary: 'Publishes the body unchanged, with any media type.',
  section: '8.3',
  doc: 'JSON becomes the `data` of the event, text becomes a string, and everything else becomes `data_base64`.',
  parameters: [
    CHANNEL,
    TYPE,
    IDEMPOTENCY_KEY,
    {
      name: 'If-Match',
      in: 'header',
      schema: { type: 'string' },
      doc: "Publishes only if this cursor, or one of a list, is the id of the channel's newest event; `*`: only if the channel has an event.",
    },
    {
      name: 'If-None-Match',
      in: 'header',
      schema: { type: 'string', enum: ['*'] },
      doc: 'Publishes only if the channel has no event.',
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
  summary: 'Reads the data of the newest event, as it was published.',
  section: '10.1',
  doc: 'With `If-None-Match` and `wait` it is a blocking query: the hub responds when there is a newer event.',
  parameters: [CHANNEL, WAIT, IF_NONE_MATCH, TOKEN],
  bodies: [],
  answers: [
    {
      status: 200,
      doc: 'The data, with its own media type.',
      // Bytes come first: generated clients do not know ranges of media types, and use the first
      // type for all.
      contents: [BYTES, ANY_DATA],
      headers: {
        ETag: 'The id of the event.',
        'Polycast-Type': 'The type of the event.',
        'Last-Modified': 'The time at which the hub accepted the event.',
        Link: LINKS,
      },
    },
    { status: 304, doc: 'The channel has no newer event.', contents: [] },
  ],
  errors: [...READ_CHANNEL_ERRORS, 'channel_empty', 'event_damaged', 'too_many_connections', 'overloaded'],
};

const readHistory: Operation = {
  method: 'GET',
  path: '/v1/channels/{channel}/history',
  name: 'readHistory',
  allowsAnonymous: true,
  summary: 'Reads the stored events of a channel, page by page, in both directions.',
  section: '10.2',
  doc: 'Without `before` and `after` it returns the newest page.',
  parameters: [
    CHANNEL,
    LIMIT,
    {
      name: 'before',
      in: 'query',
      schema: ref('Cursor'),
      doc: 'The page that ends before this cursor: `previous` of the following page.',
    },
    {
      name: 'after',
      in: 'query',
      schema: ref('Cursor'),
      doc: 'The page that begins after this cursor: `next` of the preceding page.',
    },
    TOKEN,
  ],
  bodies: [],
  answers: [
    {
      status: 200,
      doc: 'A page.',
      contents: [{ mediaType: 'application/json', schema: ref('History'), doc: 'The events, oldest first.' }],
      headers: { Link: '`rel="prev"` and `rel="next"`.' },
    },
  ],
  errors: [...READ_CHANNEL_ERRORS, 'invalid_cursor'],
};

const operatorOperations: readonly Operation[] = [
  operatorOperation('/healthz', 'health', 'Tells whether the process works.', 'application/json'),
  {
    ...operatorOperation('/readyz', 'ready', 'Tells whether the hub accepts work.', 'application/json'),
    doc: '`503` while the hub starts, drains or cannot write its log. `why` is the reason.',
  },
  operatorOperation('/metrics', 'metrics', 'Metrics for Prometheus.', 'text/plain'),
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
  const content: Content = { mediaType: 'application/json', schema: ref('Published'), doc: 'The published data.' };
  return { status: 201, doc: 'The event is durable.', contents: [content], headers: REPLAYED };
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
