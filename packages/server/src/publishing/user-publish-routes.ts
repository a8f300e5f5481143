import { JsonScanner, jsonError, PolycastError, scanEnvelope, type Envelope } from '@polycast/protocol';
import { isUser, privateChannel, userToken } from '../core/access/private-channel.ts';
import { envelopeRequest } from '../core/events/envelope-request.ts';
import type { PublishRequest, PublishResult } from '../core/publish.ts';
import { checkUserParameter, USER_RULE } from '../auth/author.ts';
import { invalidEvent } from '../http/refusals.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import { arrayElements, orError } from './cloudevents.ts';
import { checkUtf8Json, isJsonLines, parseMediaType } from '../http/body/media-type.ts';
import { publisherOf, type RequestPublisher } from './publish-permission.ts';
import { publishNdjson } from './publish-ndjson.ts';
import { groupResultJson, resultJson } from './publish-result.ts';
import {
  idempotencyKeyHeader,
  publishData,
  publishMany,
  publishOne,
  replayHeader,
  respondMany,
} from './publish-routes.ts';
import { checkContentEncoding, decodeUtf8 } from '../http/body/request-body.ts';
import type { PublishParts } from './publish-parts.ts';

const scanner = new JsonScanner();

/**
 * `POST /v1/users/{id}/events` (PROTOCOL.md section 13.5): publishes to all devices of a user, now
 * or when they reconnect. A JSON body is an envelope without a channel, or an array of these. With
 * `Polycast-Type`, or of another media type, the body is the data.
 */
export async function publishToUser(parts: PublishParts, request: AuthorizedRequest, name: string): Promise<void> {
  const channel = privateChannel(checkUserParameter(name));
  if (!hasEnvelope(request)) return publishData(parts, request, channel);
  checkCharset(request);
  const key = idempotencyKeyHeader(request);
  const publisher = publisherOf(request);
  const permitted = request.authorize('publish', [channel]);
  if (permitted !== undefined) await permitted;
  const text = decodeUtf8(await request.body());
  if (!isArray(text)) return publishOne(parts, publisher, forUser(scanWholeEnvelope(text, NO_MEMBERS), channel, key));
  const events = arrayElements(text, parts.batchEventsMax).map((element, index) =>
    orError(() => forUser(scanWholeEnvelope(element, NO_MEMBERS), channel, itemKey(key, index))),
  );
  respondMany(parts, request, await publishMany(parts, publisher, events));
}

/**
 * `POST /v1/users/events` (PROTOCOL.md section 13.5): an envelope with `user` or `users` in place
 * of `channel`, or an array or lines of these. An envelope for several users becomes one event for
 * each.
 */
export async function publishToUsers(parts: PublishParts, request: AuthorizedRequest): Promise<void> {
  const limits = expansionLimits(parts);
  checkCharset(request);
  const key = idempotencyKeyHeader(request);
  const publisher = publisherOf(request);
  request.authorizeAnyChannel('publish');
  const mediaType = parseMediaType(request.headers['content-type']);
  if (mediaType !== undefined && isJsonLines(mediaType)) {
    checkContentEncoding(request.headers);
    return publishNdjson(parts, publisher, (line, index) => parseAddressedEvent(line, itemKey(key, index), limits));
  }
  if (mediaType?.essence !== 'application/json')
    throw new PolycastError(
      'unsupported_media_type',
      'Send the header "Content-Type: application/json", or application/x-ndjson.',
    );
  const text = decodeUtf8(await request.body());
  if (isArray(text)) return publishAddressedEvents(parts, publisher, parseAddressedEvents(text, key, limits));
  const parsed = parseAddressedEvent(text, key, limits);
  if (!Array.isArray(parsed)) return publishOne(parts, publisher, parsed as PublishRequest);
  const results = await publishMany(parts, publisher, parsed);
  respondText(request, groupResultJson(parts.feed.epoch, results), results);
}

/** The event for one user, those for several, or the error. */
type AddressedEvent = PublishRequest | readonly PublishRequest[] | PolycastError;

/**
 * Bounds the events of one body: an envelope for many users becomes as many events, each of its
 * size.
 */
interface ExpansionLimits {
  readonly events: number;
  /** The limit of the data, in characters. */
  readonly length: number;
}

function expansionLimits({ batchEventsMax, body }: PublishParts): ExpansionLimits {
  return { events: batchEventsMax, length: body.settings.bodyBytesMax };
}

/** @throws PolycastError `batch_too_large` if the events of the body exceed the limits together */
function parseAddressedEvents(
  text: string,
  key: string | undefined,
  limits: ExpansionLimits,
): readonly AddressedEvent[] {
  let { events, length } = limits;
  return arrayElements(text, limits.events).map((element, index) => {
    const read = orError(() => parseAddressedEvent(element, itemKey(key, index), limits));
    if (read instanceof PolycastError) return read;
    const each = Array.isArray(read) ? (read as readonly PublishRequest[]) : [read as PublishRequest];
    events -= each.length;
    length -= each.length * (each[0]?.content.length ?? 0);
    if (events < 0 || length < 0) throw batchTooLarge(limits);
    return read;
  });
}

async function publishAddressedEvents(
  parts: PublishParts,
  publisher: RequestPublisher,
  all: readonly AddressedEvent[],
): Promise<void> {
  const results = await publishMany(parts, publisher, all.flat() as (PublishRequest | PolycastError)[]);
  let next = 0;
  const texts = all.map((each) => {
    if (!Array.isArray(each)) return resultJson(parts.feed.epoch, results[next++] as PublishResult);
    next += each.length;
    return groupResultJson(parts.feed.epoch, results.slice(next - each.length, next));
  });
  respondText(publisher.request, `[${texts.join(',')}]`, results);
}

/** @throws PolycastError `invalid_event`, `batch_too_large`, and the errors of an envelope */
function parseAddressedEvent(
  text: string,
  key: string | undefined,
  limits: ExpansionLimits,
): PublishRequest | readonly PublishRequest[] {
  const envelope = scanWholeEnvelope(text, ADDRESS_MEMBERS);
  const userJson = envelope.extraMembers?.get('user');
  const several = envelope.extraMembers?.get('users');
  if ((userJson === undefined) === (several === undefined))
    throw invalidEvent('user', 'Give "user" or "users", and no "channel".');
  if (userJson !== undefined) return forUser(envelope, privateChannel(checkUser(JSON.parse(userJson), 'user')), key);
  const users = checkUsers(JSON.parse(several as string), limits);
  if (users.length * envelope.data.length > limits.length) throw batchTooLarge(limits);
  if (envelope.ifMatch !== undefined) throw invalidEvent('ifMatch', '"ifMatch" requires exactly one user.');
  const groupKey = envelope.idempotencyKey ?? key;
  return users.map((user) => {
    const idempotencyKey = groupKey === undefined ? undefined : `${groupKey}#${userToken(user)}`;
    return { ...forUser(envelope, privateChannel(user), undefined), idempotencyKey };
  });
}

function forUser(envelope: Envelope, channel: string, key: string | undefined): PublishRequest {
  if (envelope.channel !== undefined) throw invalidEvent('channel', 'An event for a user must not name a channel.');
  return envelopeRequest(envelope, channel, key);
}

function scanWholeEnvelope(text: string, also: ReadonlySet<string>): Envelope {
  scanner.reset(text);
  const envelope = scanEnvelope(scanner, also);
  if (!scanner.atEnd()) throw jsonError(scanner);
  return envelope;
}

function checkUsers(value: unknown, limits: ExpansionLimits): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) throw invalidEvent('users', '"users" must be a list of users.');
  if (value.length > limits.events) throw batchTooLarge(limits);
  const users = value.map((user) => checkUser(user, 'users'));
  if (new Set(users).size < users.length) throw invalidEvent('users', '"users" names a user twice.');
  return users;
}

function checkUser(value: unknown, member: string): string {
  if (typeof value === 'string' && isUser(value)) return value;
  throw invalidEvent(member, USER_RULE);
}

function hasEnvelope({ headers }: AuthorizedRequest): boolean {
  if (headers['polycast-type'] !== undefined || headers['ce-specversion'] !== undefined) return false;
  const contentType = headers['content-type'];
  return contentType === 'application/json' || parseMediaType(contentType)?.essence === 'application/json';
}

function checkCharset({ headers }: AuthorizedRequest): void {
  const mediaType = parseMediaType(headers['content-type']);
  if (mediaType !== undefined) checkUtf8Json(mediaType);
}

function isArray(text: string): boolean {
  scanner.reset(text);
  return scanner.peek() === LEFT_BRACKET;
}

function respondText(request: AuthorizedRequest, text: string, results: readonly PublishResult[]): void {
  request.respond(200, 'application/json', text, replayHeader(results));
}

function itemKey(key: string | undefined, index: number): string | undefined {
  return key === undefined ? undefined : `${key}#${index}`;
}

function batchTooLarge({ events, length }: ExpansionLimits): PolycastError {
  const detail = `One request may have at most ${events} events with ${length} characters of data in total.`;
  return new PolycastError('batch_too_large', detail, { limit: events });
}

const LEFT_BRACKET = 91;
const NO_MEMBERS: ReadonlySet<string> = new Set();
const ADDRESS_MEMBERS: ReadonlySet<string> = new Set(['user', 'users']);
