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
import type { AuthorizedRequest } from './authorized-request.ts';
import { arrayElements, attempt, binaryCloudEvent, cloudEventBatch, structuredCloudEvent } from './cloudevents.ts';
import { checkJsonCharset, isJson, parseMediaType } from './media-type.ts';
import { ifMatchOf } from './publish-condition.ts';
import { contentOf } from './publish-content.ts';
import { permit, publisherOf, signedBy, stillPermitted, type By } from './publish-permission.ts';
import { publishLines } from './publish-lines.ts';
import { checkCoding, utf8Text } from './request-body.ts';
import { resultText, shown } from './publish-result.ts';
import type { Services } from './services.ts';

const scanner = new JsonScanner();

/** `POST /v1/events` (PROTOCOL.md section 8.1). */
export async function publishEvents(services: Services, request: AuthorizedRequest): Promise<void> {
  const { headers } = request;
  const contentType = headers['content-type'];
  const key = idempotencyKeyOf(request);
  const by = publisherOf(request);
  request.allowSomewhere('publish');
  if (contentType === 'application/json' && headers['ce-specversion'] === undefined) {
    return publishJson(services, by, key);
  }
  const mediaType = parseMediaType(contentType);
  const essence = mediaType?.essence;
  const isLines =
    essence === 'application/x-ndjson' || essence === 'application/ndjson' || essence === 'application/jsonl';
  if (mediaType !== undefined && (isLines || isJson(mediaType))) checkJsonCharset(mediaType);
  if (isLines) {
    checkCoding(headers);
    return publishLines(services, by, (line, index) =>
      envelopeOf(line, key === undefined ? undefined : `${key}#${index}`),
    );
  }
  if (essence === 'application/cloudevents-batch+json') {
    refuseKey(key);
    const events = cloudEventBatch(utf8Text(await request.body()), undefined, services.settings.batchEventsMax);
    return answerMany(services, request, await publishMany(services, by, events));
  }
  if (essence === 'application/cloudevents+json') {
    refuseKey(key);
    return publishOne(services, by, structuredCloudEvent(utf8Text(await request.body()), undefined));
  }
  if (headers['ce-specversion'] !== undefined) {
    refuseKey(key);
    return publishOne(services, by, binaryCloudEvent(headers, await request.body(), undefined));
  }
  if (essence === 'application/json') return publishJson(services, by, key);
  throw new PolycastError(
    'unsupported_media_type',
    'Send application/json, application/x-ndjson or a CloudEvent; or the bare data to /v1/channels/{channel}/events.',
  );
}

/** `POST /v1/channels/{c}/events` (PROTOCOL.md section 8.3): the body is the data. */
export async function publishData(services: Services, request: AuthorizedRequest, channelName: string): Promise<void> {
  const channel = checkChannel(channelName);
  const { headers } = request;
  const idempotencyKey = idempotencyKeyOf(request);
  const by = publisherOf(request);
  // Before anything is looked up, and before a body is held for somebody who may not send one.
  const permitted = request.allow('publish', [channel]);
  if (permitted !== undefined) await permitted;
  const condition = ifMatchOf(services.feed, request, channel);
  const ifMatch = condition instanceof Promise ? await condition : condition;
  const type = checkedHeader(request, 'polycast-type', checkType);
  const body = await request.body();
  const contentType = headers['content-type'];
  const isBinary = headers['ce-specversion'] !== undefined;
  const mediaType = contentType === 'application/json' ? undefined : parseMediaType(contentType);
  if (isBinary || mediaType?.essence === 'application/cloudevents+json') {
    refuseKey(idempotencyKey);
    if (!isBinary && mediaType !== undefined) checkJsonCharset(mediaType);
    const event = isBinary ? binaryCloudEvent(headers, body, channel) : structuredCloudEvent(utf8Text(body), channel);
    return publishOne(services, by, { ...event, ifMatch });
  }
  return publishOne(services, by, {
    channel,
    type,
    content: contentOf(body, contentType),
    idempotencyKey,
    ifMatch,
  });
}

async function publishJson(services: Services, by: By, key: string | undefined): Promise<void> {
  const text = utf8Text(await by.request.body());
  scanner.begin(text);
  if (scanner.peek() !== 91) return publishOne(services, by, envelopeOf(text, key));
  const elements = arrayElements(text, services.settings.batchEventsMax);
  const events = elements.map((element, index) =>
    attempt(() => envelopeOf(element, key === undefined ? undefined : `${key}#${index}`)),
  );
  return answerMany(services, by.request, await publishMany(services, by, events));
}

/** The way of most publishes: no promise more than it takes. */
export function publishOne(services: Services, by: By, publish: PublishRequest): Promise<void> {
  const { request } = by;
  const permitted = request.allow('publish', [publish.channel]);
  const signed = signedBy(by, publish);
  const publishing =
    permitted === undefined
      ? services.publisher.publishOne(signed)
      : permitted.then(() => services.publisher.publishOne(signed));
  return publishing.then((result) => answerOne(services, request, result));
}

function answerOne(services: Services, request: AuthorizedRequest, result: PublishResult): void {
  if (!result.ok) throw shown(services, result.error);
  const text = resultText(services, result);
  if (result.replayed) request.respond(201, 'application/json', text, REPLAYED);
  else request.respondCreated(text);
}

/** Publishes what was understood and permitted; what was not keeps its place among the results. */
export async function publishMany(
  services: Services,
  by: By,
  events: readonly (PublishRequest | PolycastError)[],
): Promise<readonly PublishResult[]> {
  const asked = await Promise.all(events.map((event) => (event instanceof PolycastError ? event : permit(by, event))));
  const permitted = stillPermitted(by, asked);
  const publishes = permitted.filter((event): event is PublishRequest => !(event instanceof PolycastError));
  const published = await services.publisher.publish(publishes);
  let next = 0;
  return permitted.map((event) =>
    event instanceof PolycastError ? { ok: false, error: event } : (published[next++] as PublishResult),
  );
}

function answerMany(services: Services, request: AuthorizedRequest, results: readonly PublishResult[]): void {
  request.respond(200, 'application/json', `[${results.map((result) => resultText(services, result)).join(',')}]`);
}

function envelopeOf(text: string, key: string | undefined): PublishRequest {
  scanner.begin(text);
  const { channel, type, idempotencyKey, ifMatch, data } = scanEnvelope(scanner);
  if (!scanner.atEnd()) throw jsonError(scanner);
  if (channel === undefined) throw new PolycastError('channel_missing');
  return { channel, type, content: `"data":${data}`, idempotencyKey: idempotencyKey ?? key, ifMatch };
}

export function idempotencyKeyOf(request: AuthorizedRequest): string | undefined {
  return checkedHeader(request, 'idempotency-key', checkIdempotencyKey);
}

/** A CloudEvent is known by its `source` and `id` (PROTOCOL.md section 8.5). @throws PolycastError `invalid_header` */
function refuseKey(key: string | undefined): void {
  if (key === undefined) return;
  const why = 'idempotency-key: a CloudEvent has its key already, which is its source and id.';
  throw new PolycastError('invalid_header', why, { header: 'idempotency-key' });
}

/** A header's text, which Node reads as one character a byte, as the UTF-8 that it is. @throws PolycastError `invalid_header` */
function checkedHeader(request: AuthorizedRequest, name: string, check: (text: string) => string): string | undefined {
  const bytes = request.header(name);
  if (bytes === undefined) return undefined;
  const text = /^[\x20-\x7e]*$/.test(bytes) ? bytes : attempt(() => utf8Text(Buffer.from(bytes, 'latin1')));
  const checked = typeof text === 'string' ? attempt(() => check(text)) : text;
  if (typeof checked === 'string') return checked;
  throw new PolycastError('invalid_header', `${name}: ${checked.message}`, { header: name });
}

const REPLAYED: readonly string[] = ['Idempotency-Replayed', 'true'];
