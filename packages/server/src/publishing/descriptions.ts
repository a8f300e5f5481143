import { IDEMPOTENCY_KEY_LENGTH_MAX, type ErrorCode } from '@polycast/protocol';
import * as z from 'zod';
import { groupDigits } from '../core/primitives/english.ts';
import {
  headerParameter,
  json,
  pathParameter,
  response,
  withHeaders,
  type Content,
  type ResponseDescription,
  type RouteDescription,
} from '../http/route-description.ts';
import { ANY_DATA, BYTES, channel, eventType, user } from '../http/openapi/schemas.ts';
import { addressedMessage, cloudEvent, newEvent, privateMessage, published, result, results } from './schemas.ts';

const IDEMPOTENCY_KEY = headerParameter(
  'Idempotency-Key',
  z.string().min(1).max(IDEMPOTENCY_KEY_LENGTH_MAX),
  'For 24 hours, a request with the same key gets the first response again. For several events it stands for `key#0`, `key#1`, ….',
);
/** W3C Trace Context of the request. */
const TRACE_CONTEXT = [
  headerParameter('traceparent', z.string(), 'The trace context of the publisher; an invalid one is ignored.'),
  headerParameter('tracestate', z.string(), 'Further vendor data of the trace context, at most 512 characters.'),
];
const TYPE = headerParameter('Polycast-Type', eventType(), 'The type of the event.');
const LINES = { mediaType: 'application/x-ndjson', schema: z.string() };
const LINE = '{"id":"0t24qj92dx-00000000010","channel":"orders.42","time":"2027-01-31T12:00:00.000Z"}\n';

const ERRORS: readonly ErrorCode[] = [
  'unauthorized',
  'token_expired',
  'forbidden',
  'identity_unavailable',
  'invalid_header',
  'invalid_parameter',
  'origin_not_allowed',
  'unsupported_media_type',
  'invalid_json',
  'invalid_utf8',
  'json_too_deep',
  'invalid_event',
  'invalid_channel',
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
  'outcome_unknown',
  'overloaded',
  'draining',
  'precondition_failed',
];

/** The most events of one body. The scanner of the hot path checks the rest of its form. */
interface PublishLimits {
  readonly batchEventsMax: number;
}

const REPLAYED = {
  'Idempotency-Replayed': '`true` if the key was used before and this request published nothing.',
};

function publishedResponse(): ResponseDescription {
  return withHeaders(response(201, 'The event is durable.', json(published(), 'The published data.')), REPLAYED);
}

/** The response to several events. */
function resultsResponse(doc: string, ...contents: readonly Content[]): ResponseDescription {
  return withHeaders(response(200, doc, ...contents), REPLAYED);
}

/** `POST /v1/events`. */
export function describePublish({ batchEventsMax }: PublishLimits): RouteDescription {
  return {
    operationId: 'publishEvents',
    allowsAnonymous: true,
    summary: 'Publishes one event, a list, a stream of lines, or CloudEvents.',
    section: '8.1',
    details:
      'The hub responds when the event is durable. In a list or a stream each item has its own result, and a refused item does not affect the others. With `ce-` headers the body is the data of a CloudEvent in binary mode.',
    parameters: [IDEMPOTENCY_KEY, ...TRACE_CONTEXT],
    bodies: [
      json(
        z.xor([newEvent(), z.array(newEvent()).max(batchEventsMax)]),
        `One event, or at most ${groupDigits(batchEventsMax)}.`,
        { channel: 'orders.42', type: 'order.paid', data: { total: 42 } },
      ),
      { ...LINES, doc: 'One event per line, any number.' },
      { mediaType: 'application/cloudevents+json', schema: cloudEvent(), doc: 'A CloudEvent.' },
      { mediaType: 'application/cloudevents-batch+json', schema: z.array(cloudEvent()), doc: 'CloudEvents.' },
    ],
    responses: [
      publishedResponse(),
      resultsResponse('One result per item, in order.', json(z.array(result()), 'For a list.'), {
        ...LINES,
        doc: 'For a stream: one result per line, sent while the hub reads the body.',
        example: LINE,
      }),
    ],
    errors: [...ERRORS, 'channel_missing', 'duplicate_member', 'batch_too_large'],
  };
}

/** `POST /v1/channels/{c}/events`. */
export function describePublishData(): RouteDescription {
  return {
    operationId: 'publishToChannel',
    allowsAnonymous: true,
    summary: 'Publishes the body unchanged, with any media type.',
    section: '8.3',
    details:
      'JSON becomes the `data` of the event, text becomes a string, and everything else becomes `data_base64`. A form (`application/x-www-form-urlencoded`) is refused.',
    parameters: [
      pathParameter('channel', channel(), 'The channel.'),
      TYPE,
      IDEMPOTENCY_KEY,
      ...TRACE_CONTEXT,
      headerParameter(
        'If-Match',
        z.string(),
        "Publishes only if this cursor, or one of a list, is the id of the channel's newest event; `*`: only if the channel has an event.",
      ),
      headerParameter('If-None-Match', z.enum(['*']), 'Publishes only if the channel has no event.'),
    ],
    bodies: [json(z.unknown(), 'Any JSON.', { total: 42 }), BYTES, ANY_DATA],
    responses: [publishedResponse()],
    errors: ERRORS,
  };
}

/** `POST /v1/users/{id}/events`. */
export function describePublishToUser({ batchEventsMax }: PublishLimits): RouteDescription {
  return {
    operationId: 'publishToUser',
    allowsAnonymous: true,
    summary: 'Publishes to all devices of a user, now or when they reconnect.',
    section: '13.5',
    details:
      'A JSON body is an envelope without a channel, or an array of these. With `Polycast-Type`, or another media type, the body is the data. The key needs the scope `publish` for `polycast.private.>` or for all channels.',
    parameters: [
      pathParameter('user', user(), 'The name of the user, percent-encoded.'),
      TYPE,
      IDEMPOTENCY_KEY,
      ...TRACE_CONTEXT,
    ],
    bodies: [
      json(
        z.xor([privateMessage(), z.array(privateMessage()).max(batchEventsMax)]),
        `One event, or at most ${groupDigits(batchEventsMax)}.`,
        { type: 'order.paid', data: { total: 42 } },
      ),
      BYTES,
      ANY_DATA,
    ],
    responses: [
      publishedResponse(),
      resultsResponse('One result per item, in order.', json(z.array(result()), 'For a list.')),
    ],
    errors: [...ERRORS, 'batch_too_large'],
  };
}

/** `POST /v1/users/events`. */
export function describePublishToUsers({ batchEventsMax }: PublishLimits): RouteDescription {
  return {
    operationId: 'publishToUsers',
    allowsAnonymous: true,
    summary: 'Publishes to many users in one request.',
    section: '13.5',
    details:
      'An envelope with `user` or `users` instead of `channel`, or a list or a stream of these. For several users, each gets an event of its own.',
    parameters: [IDEMPOTENCY_KEY, ...TRACE_CONTEXT],
    bodies: [
      json(
        z.xor([addressedMessage(batchEventsMax), z.array(addressedMessage(batchEventsMax))]),
        `One envelope, or a list for at most ${groupDigits(batchEventsMax)} users in total.`,
        { user: 'ann', type: 'order.paid', data: { total: 42 } },
      ),
      { ...LINES, doc: 'One per line, any number.' },
    ],
    responses: [
      publishedResponse(),
      resultsResponse(
        'One result per item, in order. For an item with `users`, it contains a result for each user.',
        json(z.xor([results(), z.array(z.xor([result(), results()]))]), 'For `users` and for a list.'),
        { ...LINES, doc: 'For a stream: one result per line.', example: LINE },
      ),
    ],
    errors: [...ERRORS, 'duplicate_member', 'batch_too_large'],
  };
}
