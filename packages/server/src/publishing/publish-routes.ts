import {
  checkChannel,
  checkIdempotencyKey,
  checkType,
  JsonScanner,
  jsonError,
  PolycastError,
  scanEnvelope,
} from '@polycast/protocol';
import type { PublishRequest, PublishResult } from '../core/publish.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import { arrayElements, orError, binaryCloudEvent, cloudEventBatch, structuredCloudEvent } from './cloudevents.ts';
import { checkUtf8Json, isJson, isJsonLines, parseMediaType } from '../http/body/media-type.ts';
import { preconditionOf } from './publish-precondition.ts';
import { eventContent } from './publish-content.ts';
import {
  authorizePublish,
  publisherOf,
  recheckPublisher,
  withPublisher,
  type RequestPublisher,
} from './publish-permission.ts';
import { publishNdjson } from './publish-ndjson.ts';
import { checkContentEncoding, decodeUtf8 } from '../http/body/request-body.ts';
import { bytesOfText, isPlainText } from '../http/headers/header-value.ts';
import { invalidHeader } from '../http/refusals.ts';
import { resultJson } from './publish-result.ts';
import { toClientError } from '../core/events/entity-tag.ts';
import { envelopeRequest } from '../core/events/envelope-request.ts';
import type { PublishParts } from './publish-parts.ts';

const scanner = new JsonScanner();

/** `POST /v1/events` (PROTOCOL.md section 8.1). */
export async function publishEvents(parts: PublishParts, request: AuthorizedRequest): Promise<void> {
  const { headers } = request;
  const contentType = headers['content-type'];
  const key = idempotencyKeyHeader(request);
  const publisher = publisherOf(request);
  request.authorizeAnyChannel('publish');
  if (contentType === 'application/json' && headers['ce-specversion'] === undefined) {
    return publishJson(parts, publisher, key);
  }
  const mediaType = parseMediaType(contentType);
  const essence = mediaType?.essence;
  const isLines = mediaType !== undefined && isJsonLines(mediaType);
  if (mediaType !== undefined && (isLines || isJson(mediaType))) checkUtf8Json(mediaType);
  if (isLines) {
    checkContentEncoding(headers);
    return publishNdjson(parts, publisher, (line, index) =>
      parseEnvelope(line, key === undefined ? undefined : `${key}#${index}`),
    );
  }
  if (essence === 'application/cloudevents-batch+json') {
    rejectIdempotencyKey(key);
    const events = cloudEventBatch(decodeUtf8(await request.body()), undefined, parts.batchEventsMax);
    return respondMany(parts, request, await publishMany(parts, publisher, events));
  }
  if (essence === 'application/cloudevents+json') {
    rejectIdempotencyKey(key);
    return publishOne(parts, publisher, structuredCloudEvent(decodeUtf8(await request.body()), undefined));
  }
  if (headers['ce-specversion'] !== undefined) {
    rejectIdempotencyKey(key);
    return publishOne(parts, publisher, binaryCloudEvent(headers, await request.body(), undefined));
  }
  if (essence === 'application/json') return publishJson(parts, publisher, key);
  throw new PolycastError('unsupported_media_type', ENVELOPES_ONLY);
}

/** `POST /v1/channels/{c}/events` (PROTOCOL.md section 8.3): the body is the data. */
export async function publishData(parts: PublishParts, request: AuthorizedRequest, channelName: string): Promise<void> {
  const channel = checkChannel(channelName);
  const { headers } = request;
  const idempotencyKey = idempotencyKeyHeader(request);
  const publisher = publisherOf(request);
  // Authorizes before any lookup, and before it holds the body of a caller that may not publish.
  const permitted = request.authorize('publish', [channel]);
  if (permitted !== undefined) await permitted;
  // Awaits only a lookup: most publishes have no condition, and an `await` would cost each of them
  // a microtask.
  const condition = preconditionOf(parts.feed, request, channel);
  const ifMatch = condition instanceof Promise ? await condition : condition;
  const type = validatedHeader(request, 'polycast-type', checkType);
  const contentType = headers['content-type'];
  const isBinary = headers['ce-specversion'] !== undefined;
  const mediaType = contentType === 'application/json' ? undefined : parseMediaType(contentType);
  // A CloudEvent in binary mode names the type of its data on purpose.
  if (mediaType?.essence === FORM && !isBinary) throw new PolycastError('unsupported_media_type', NO_FORMS);
  const body = await request.body();
  if (isBinary || mediaType?.essence === 'application/cloudevents+json') {
    rejectIdempotencyKey(idempotencyKey);
    if (!isBinary && mediaType !== undefined) checkUtf8Json(mediaType);
    const event = isBinary ? binaryCloudEvent(headers, body, channel) : structuredCloudEvent(decodeUtf8(body), channel);
    return publishOne(parts, publisher, { ...event, ifMatch });
  }
  return publishOne(parts, publisher, {
    channel,
    type,
    content: eventContent(body, contentType),
    idempotencyKey,
    ifMatch,
  });
}

async function publishJson(parts: PublishParts, publisher: RequestPublisher, key: string | undefined): Promise<void> {
  const text = decodeUtf8(await publisher.request.body());
  scanner.reset(text);
  if (scanner.peek() !== 91) return publishOne(parts, publisher, parseEnvelope(text, key));
  const elements = arrayElements(text, parts.batchEventsMax);
  const events = elements.map((element, index) =>
    orError(() => parseEnvelope(element, key === undefined ? undefined : `${key}#${index}`)),
  );
  return respondMany(parts, publisher.request, await publishMany(parts, publisher, events));
}

/**
 * Publishes one event. Most publishes take this path, so it creates as few promises as possible.
 */
export function publishOne(parts: PublishParts, publisher: RequestPublisher, publish: PublishRequest): Promise<void> {
  const { request } = publisher;
  const permitted = request.authorize('publish', [publish.channel]);
  const publishRequest = withPublisher(publisher, publish);
  const publishing =
    permitted === undefined
      ? parts.publisher.publishOne(publishRequest)
      : permitted.then(() => parts.publisher.publishOne(publishRequest));
  return publishing.then((result) => respondOne(parts, request, result));
}

function respondOne(parts: PublishParts, request: AuthorizedRequest, result: PublishResult): void {
  if (!result.ok) throw toClientError(parts.feed.epoch, result.error);
  const text = resultJson(parts.feed.epoch, result);
  if (result.replayed) request.respond(201, 'application/json', text, REPLAYED);
  else request.respondCreated(text);
}

/** Publishes the permitted events; an error remains at its place among the results. */
export async function publishMany(
  parts: PublishParts,
  publisher: RequestPublisher,
  events: readonly (PublishRequest | PolycastError)[],
): Promise<readonly PublishResult[]> {
  const authorized = await Promise.all(
    events.map((event) => (event instanceof PolycastError ? event : authorizePublish(publisher, event))),
  );
  const permitted = recheckPublisher(publisher, authorized);
  const publishes = permitted.filter((event): event is PublishRequest => !(event instanceof PolycastError));
  const published = await parts.publisher.publish(publishes, publisher.trace);
  let next = 0;
  return permitted.map((event) =>
    event instanceof PolycastError ? { ok: false, error: event } : (published[next++] as PublishResult),
  );
}

export function respondMany(parts: PublishParts, request: AuthorizedRequest, results: readonly PublishResult[]): void {
  const text = `[${results.map((result) => resultJson(parts.feed.epoch, result)).join(',')}]`;
  request.respond(200, 'application/json', text, replayHeader(results));
}

/** `Idempotency-Replayed` if the request published nothing, because all its events are repeats. */
export function replayHeader(results: readonly PublishResult[]): readonly string[] {
  return results.length > 0 && results.every((result) => result.ok && result.replayed) ? REPLAYED : NOTHING;
}

function parseEnvelope(text: string, key: string | undefined): PublishRequest {
  scanner.reset(text);
  const envelope = scanEnvelope(scanner);
  if (!scanner.atEnd()) throw jsonError(scanner);
  if (envelope.channel === undefined) throw new PolycastError('channel_missing');
  return envelopeRequest(envelope, envelope.channel, key);
}

export function idempotencyKeyHeader(request: AuthorizedRequest): string | undefined {
  return validatedHeader(request, 'idempotency-key', checkIdempotencyKey);
}

/**
 * Rejects a key for a CloudEvent: its `source` and `id` are its key (PROTOCOL.md section 8.5).
 * @throws PolycastError `invalid_header`
 */
function rejectIdempotencyKey(key: string | undefined): void {
  if (key === undefined) return;
  const why = 'idempotency-key: the source and id of a CloudEvent are its key already.';
  throw invalidHeader('idempotency-key', why);
}

/**
 * Decodes and checks a header in UTF-8, which Node reads with one character per byte.
 * @throws PolycastError `invalid_header`
 */
function validatedHeader(
  request: AuthorizedRequest,
  name: string,
  check: (text: string) => string,
): string | undefined {
  const bytes = request.header(name);
  if (bytes === undefined) return undefined;
  const text = isPlainText(bytes) ? bytes : orError(() => decodeUtf8(bytesOfText(bytes)));
  const checked = typeof text === 'string' ? orError(() => check(text)) : text;
  if (typeof checked === 'string') return checked;
  throw invalidHeader(name, `${name}: ${checked.message}`);
}

const REPLAYED: readonly string[] = ['Idempotency-Replayed', 'true'];
const NOTHING: readonly string[] = [];

/** The media type that `curl -d` sends when its user names none. */
const FORM = 'application/x-www-form-urlencoded';
const NO_FORMS =
  'A form is not accepted; curl -d sends one if you name no type. For JSON, send the header "Content-Type: application/json". With text/plain or application/octet-stream the hub stores the text or the bytes as they are.';
const ENVELOPES_ONLY =
  'Send the header "Content-Type: application/json", or application/x-ndjson, or a CloudEvent. Send only the data to /v1/channels/{channel}/events.';
