import {
  checkChannel,
  checkIdempotencyKey,
  checkType,
  JsonScanner,
  jsonError,
  PolycastError,
  scanEnvelope,
} from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Author, PublishRequest, PublishResult } from '../core/publish.ts';
import type { Principal } from '../core/principal.ts';
import { arrayElements, attempt, binaryCloudEvent, cloudEventBatch, structuredCloudEvent } from './cloudevents.ts';
import { authorOf } from './author.ts';
import { allow, checkStanding, identify } from './permission.ts';
import { checkJsonCharset, isJson, parseMediaType } from './media-type.ts';
import { ifMatchOf } from './publish-condition.ts';
import { contentOf } from './publish-content.ts';
import { publishLines } from './publish-lines.ts';
import { checkCoding, readBody, utf8Text } from './request-body.ts';
import { resultText, shown } from './publish-result.ts';
import { headerOf, respond, respondProblem } from './respond.ts';
import type { Services } from './services.ts';

const scanner = new JsonScanner();

/** `POST /v1/events` (PROTOCOL.md section 8.1). */
export async function publishEvents(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { headers } = request;
  const contentType = headers['content-type'];
  const key = idempotencyKeyOf(request);
  const identified = identify(services, request, undefined);
  const by = publisherOf(services, request, identified instanceof Promise ? await identified : identified);
  if (contentType === 'application/json' && headers['ce-specversion'] === undefined) {
    return publishJson(services, request, response, by, key);
  }
  const mediaType = parseMediaType(contentType);
  const essence = mediaType?.essence;
  const isLines =
    essence === 'application/x-ndjson' || essence === 'application/ndjson' || essence === 'application/jsonl';
  if (mediaType !== undefined && (isLines || isJson(mediaType))) checkJsonCharset(mediaType);
  if (isLines) {
    checkCoding(request);
    return publishLines(
      services,
      request,
      response,
      (line, index) => envelopeOf(line, key === undefined ? undefined : `${key}#${index}`),
      (publish) => permit(services, by, publish),
    );
  }
  if (essence === 'application/cloudevents-batch+json') {
    refuseKey(key);
    const events = cloudEventBatch(
      utf8Text(await readBody(request, services)),
      undefined,
      services.settings.batchEventsMax,
    );
    return answerMany(services, response, await publishMany(services, by, events));
  }
  if (essence === 'application/cloudevents+json') {
    refuseKey(key);
    return publishOne(
      services,
      response,
      by,
      structuredCloudEvent(utf8Text(await readBody(request, services)), undefined),
    );
  }
  if (headers['ce-specversion'] !== undefined) {
    refuseKey(key);
    return publishOne(services, response, by, binaryCloudEvent(headers, await readBody(request, services), undefined));
  }
  if (essence === 'application/json') return publishJson(services, request, response, by, key);
  throw new PolycastError(
    'unsupported_media_type',
    'Send application/json, application/x-ndjson or a CloudEvent; or the bare data to /v1/channels/{channel}/events.',
  );
}

/** `POST /v1/channels/{c}/events` (PROTOCOL.md section 8.3): the body is the data. */
export async function publishData(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  channelName: string,
): Promise<void> {
  const channel = checkChannel(channelName);
  const { headers } = request;
  const idempotencyKey = idempotencyKeyOf(request);
  const identified = identify(services, request, undefined);
  const by = publisherOf(services, request, identified instanceof Promise ? await identified : identified);
  const condition = ifMatchOf(services.feed, request, channel);
  const ifMatch = condition instanceof Promise ? await condition : condition;
  const type = checkedHeader(request, 'polycast-type', checkType);
  const body = await readBody(request, services);
  const contentType = headers['content-type'];
  const isBinary = headers['ce-specversion'] !== undefined;
  const mediaType = contentType === 'application/json' ? undefined : parseMediaType(contentType);
  if (isBinary || mediaType?.essence === 'application/cloudevents+json') {
    refuseKey(idempotencyKey);
    if (!isBinary && mediaType !== undefined) checkJsonCharset(mediaType);
    const event = isBinary ? binaryCloudEvent(headers, body, channel) : structuredCloudEvent(utf8Text(body), channel);
    return publishOne(services, response, by, { ...event, ifMatch });
  }
  return publishOne(services, response, by, {
    channel,
    type,
    content: contentOf(body, contentType),
    idempotencyKey,
    ifMatch,
  });
}

/** Who publishes, and what the events say of that. */
export interface By {
  readonly principal: Principal;
  readonly author: Author | undefined;
}

export function publisherOf(services: Services, request: IncomingMessage, principal: Principal): By {
  return { principal, author: authorOf(services, request, principal) };
}

/** What is the hub's to say; no publisher can say it. */
function signedBy({ author }: By, publish: PublishRequest): PublishRequest {
  return author === undefined ? publish : { ...publish, author };
}

async function publishJson(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  by: By,
  key: string | undefined,
): Promise<void> {
  const text = utf8Text(await readBody(request, services));
  scanner.begin(text);
  if (scanner.peek() !== 91) return publishOne(services, response, by, envelopeOf(text, key));
  const elements = arrayElements(text, services.settings.batchEventsMax);
  const events = elements.map((element, index) =>
    attempt(() => envelopeOf(element, key === undefined ? undefined : `${key}#${index}`)),
  );
  return answerMany(services, response, await publishMany(services, by, events));
}

/** The way of most publishes: no promise more than it takes. */
export function publishOne(
  services: Services,
  response: ServerResponse,
  by: By,
  publish: PublishRequest,
): Promise<void> {
  const permitted = allow(services, by.principal, 'publish', [publish.channel]);
  const signed = signedBy(by, publish);
  const publishing =
    permitted === undefined
      ? services.publisher.publishOne(signed)
      : permitted.then(() => services.publisher.publishOne(signed));
  return publishing.then((result) => answerOne(services, response, result));
}

function answerOne(services: Services, response: ServerResponse, result: PublishResult): void {
  if (!result.ok) return respondProblem(response, shown(services, result.error));
  respond(response, 201, 'application/json', resultText(services, result), result.replayed ? REPLAYED : NO_HEADERS);
}

/** Publishes what was understood and permitted; what was not keeps its place among the results. */
export async function publishMany(
  services: Services,
  by: By,
  events: readonly (PublishRequest | PolycastError)[],
): Promise<readonly PublishResult[]> {
  const permitted = await Promise.all(
    events.map((event) => (event instanceof PolycastError ? event : permit(services, by, event))),
  );
  const publishes = permitted.filter((event): event is PublishRequest => !(event instanceof PolycastError));
  const published = await services.publisher.publish(publishes);
  let next = 0;
  return permitted.map((event) =>
    event instanceof PolycastError ? { ok: false, error: event } : (published[next++] as PublishResult),
  );
}

export async function permit(
  services: Services,
  by: By,
  publish: PublishRequest,
): Promise<PublishRequest | PolycastError> {
  try {
    checkStanding(services, by.principal);
    await allow(services, by.principal, 'publish', [publish.channel]);
    return signedBy(by, publish);
  } catch (error) {
    if (error instanceof PolycastError) return error;
    throw error;
  }
}

function answerMany(services: Services, response: ServerResponse, results: readonly PublishResult[]): void {
  respond(response, 200, 'application/json', `[${results.map((result) => resultText(services, result)).join(',')}]`);
}

function envelopeOf(text: string, key: string | undefined): PublishRequest {
  scanner.begin(text);
  const { channel, type, idempotencyKey, ifMatch, data } = scanEnvelope(scanner);
  if (!scanner.atEnd()) throw jsonError(scanner);
  if (channel === undefined) throw new PolycastError('channel_missing');
  return { channel, type, content: `"data":${data}`, idempotencyKey: idempotencyKey ?? key, ifMatch };
}

export function idempotencyKeyOf(request: IncomingMessage): string | undefined {
  return checkedHeader(request, 'idempotency-key', checkIdempotencyKey);
}

/** A CloudEvent is known by its `source` and `id` (PROTOCOL.md section 8.5). @throws PolycastError `invalid_header` */
function refuseKey(key: string | undefined): void {
  if (key === undefined) return;
  const why = 'idempotency-key: a CloudEvent has its key already, which is its source and id.';
  throw new PolycastError('invalid_header', why, { header: 'idempotency-key' });
}

/** A header's text, which Node reads as one character a byte, as the UTF-8 that it is. @throws PolycastError `invalid_header` */
function checkedHeader(request: IncomingMessage, name: string, check: (text: string) => string): string | undefined {
  const bytes = headerOf(request, name);
  if (bytes === undefined) return undefined;
  const text = /^[\x20-\x7e]*$/.test(bytes) ? bytes : attempt(() => utf8Text(Buffer.from(bytes, 'latin1')));
  const checked = typeof text === 'string' ? attempt(() => check(text)) : text;
  if (typeof checked === 'string') return checked;
  throw new PolycastError('invalid_header', `${name}: ${checked.message}`, { header: name });
}

const REPLAYED: readonly string[] = ['Idempotency-Replayed', 'true'];
const NO_HEADERS: readonly string[] = [];
