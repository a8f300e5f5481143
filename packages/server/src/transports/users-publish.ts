import { JsonScanner, jsonError, PolycastError, scanEnvelope, type Envelope } from '@polycast/protocol';
import { isUser, privateChannel, userToken } from '../core/private-channel.ts';
import type { PublishRequest, PublishResult } from '../core/publish.ts';
import type { AuthorizedRequest } from './authorized-request.ts';
import { arrayElements, attempt } from './cloudevents.ts';
import { checkJsonCharset, parseMediaType } from './media-type.ts';
import { publisherOf, type By } from './publish-permission.ts';
import { publishLines } from './publish-lines.ts';
import { groupText, resultText } from './publish-result.ts';
import { idempotencyKeyOf, publishData, publishMany, publishOne } from './publish-route.ts';
import { checkCoding, utf8Text } from './request-body.ts';
import type { Services } from './services.ts';

const scanner = new JsonScanner();

/**
 * `POST /v1/users/{id}/events` (PROTOCOL.md section 13.5): to all of a user's devices, now or when they come back. JSON is an
 * envelope without a channel, or an array of these; with `Polycast-Type`, and of any other media type, the body is the data.
 */
export async function publishToUser(services: Services, request: AuthorizedRequest, name: string): Promise<void> {
  if (!isUser(name)) throw new PolycastError('invalid_parameter', NO_USER, { parameter: 'user' });
  const channel = privateChannel(name);
  if (!hasEnvelope(request)) return publishData(services, request, channel);
  checkCharset(request);
  const key = idempotencyKeyOf(request);
  const by = publisherOf(request);
  const permitted = request.allow('publish', [channel]);
  if (permitted !== undefined) await permitted;
  const text = utf8Text(await request.body());
  if (!isArray(text)) return publishOne(services, by, toOne(scan(text, NONE), channel, key));
  const events = arrayElements(text, services.settings.batchEventsMax).map((element, index) =>
    attempt(() => toOne(scan(element, NONE), channel, keyAt(key, index))),
  );
  const results = await publishMany(services, by, events);
  respondText(request, `[${results.map((result) => resultText(services, result)).join(',')}]`);
}

/**
 * `POST /v1/users/events` (PROTOCOL.md section 13.5): an envelope with `user` or `users` in place of `channel`, an array or lines
 * of these. What goes to several users is an event each.
 */
export async function publishToUsers(services: Services, request: AuthorizedRequest): Promise<void> {
  const room = roomOf(services);
  checkCharset(request);
  const key = idempotencyKeyOf(request);
  const by = publisherOf(request);
  request.allowSomewhere('publish');
  const essence = parseMediaType(request.headers['content-type'])?.essence;
  if (essence === 'application/x-ndjson' || essence === 'application/ndjson' || essence === 'application/jsonl') {
    checkCoding(request.headers);
    return publishLines(services, by, (line, index) => letter(line, keyAt(key, index), room));
  }
  if (essence !== 'application/json')
    throw new PolycastError('unsupported_media_type', 'Send application/json or application/x-ndjson.');
  const text = utf8Text(await request.body());
  if (isArray(text)) return publishLetters(services, by, letters(text, key, room));
  const one = letter(text, key, room);
  if (!Array.isArray(one)) return publishOne(services, by, one as PublishRequest);
  respondText(request, groupText(services, await publishMany(services, by, one)));
}

/** To one user, to several, or why it is refused. */
type Letter = PublishRequest | readonly PublishRequest[] | PolycastError;

/** What may come of one body at once: words to a great many are as many events, each of their size. */
interface Expansion {
  readonly events: number;
  /** Of data, in characters. */
  readonly length: number;
}

function roomOf({ settings }: Services): Expansion {
  return { events: settings.batchEventsMax, length: settings.bodyBytesMax };
}

/** @throws PolycastError `batch_too_large` for more in all than may come of one body */
function letters(text: string, key: string | undefined, room: Expansion): readonly Letter[] {
  let { events, length } = room;
  return arrayElements(text, room.events).map((element, index) => {
    const read = attempt(() => letter(element, keyAt(key, index), room));
    if (read instanceof PolycastError) return read;
    const each = Array.isArray(read) ? (read as readonly PublishRequest[]) : [read as PublishRequest];
    events -= each.length;
    length -= each.length * (each[0]?.content.length ?? 0);
    if (events < 0 || length < 0) throw tooMuch(room);
    return read;
  });
}

async function publishLetters(services: Services, by: By, all: readonly Letter[]): Promise<void> {
  const results = await publishMany(services, by, all.flat() as (PublishRequest | PolycastError)[]);
  let next = 0;
  const texts = all.map((each) => {
    if (!Array.isArray(each)) return resultText(services, results[next++] as PublishResult);
    next += each.length;
    return groupText(services, results.slice(next - each.length, next));
  });
  respondText(by.request, `[${texts.join(',')}]`);
}

/** @throws PolycastError `invalid_event` and what an envelope may be refused with */
function letter(text: string, key: string | undefined, room: Expansion): PublishRequest | readonly PublishRequest[] {
  const envelope = scan(text, ADDRESSED);
  const one = envelope.also?.get('user');
  const several = envelope.also?.get('users');
  if ((one === undefined) === (several === undefined))
    throw invalid('user', 'Give either "user" or "users", and no "channel".');
  if (one !== undefined) return toOne(envelope, privateChannel(checkUser(JSON.parse(one), 'user')), key);
  const users = checkUsers(JSON.parse(several as string), room);
  if (users.length * envelope.data.length > room.length) throw tooMuch(room);
  if (envelope.ifMatch !== undefined) throw invalid('ifMatch', '"ifMatch" is about one user\'s newest event.');
  const groupKey = envelope.idempotencyKey ?? key;
  return users.map((user) => {
    const idempotencyKey = groupKey === undefined ? undefined : `${groupKey}#${userToken(user)}`;
    return { ...toOne(envelope, privateChannel(user), undefined), idempotencyKey };
  });
}

function toOne(
  { channel: named, type, data, idempotencyKey, ifMatch }: Envelope,
  channel: string,
  key: string | undefined,
): PublishRequest {
  if (named !== undefined) throw invalid('channel', 'What goes to a user goes to no channel.');
  return { channel, type, content: `"data":${data}`, idempotencyKey: idempotencyKey ?? key, ifMatch };
}

function scan(text: string, also: ReadonlySet<string>): Envelope {
  scanner.begin(text);
  const envelope = scanEnvelope(scanner, also);
  if (!scanner.atEnd()) throw jsonError(scanner);
  return envelope;
}

function checkUsers(value: unknown, room: Expansion): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('users', '"users" must be a list of users.');
  if (value.length > room.events) throw tooMuch(room);
  const users = value.map((user) => checkUser(user, 'users'));
  if (new Set(users).size < users.length) throw invalid('users', '"users" names one twice.');
  return users;
}

function checkUser(value: unknown, member: string): string {
  if (typeof value === 'string' && isUser(value)) return value;
  throw invalid(member, NO_USER);
}

function hasEnvelope({ headers }: AuthorizedRequest): boolean {
  if (headers['polycast-type'] !== undefined || headers['ce-specversion'] !== undefined) return false;
  const contentType = headers['content-type'];
  return contentType === 'application/json' || parseMediaType(contentType)?.essence === 'application/json';
}

function checkCharset({ headers }: AuthorizedRequest): void {
  const mediaType = parseMediaType(headers['content-type']);
  if (mediaType !== undefined) checkJsonCharset(mediaType);
}

function isArray(text: string): boolean {
  scanner.begin(text);
  return scanner.peek() === LEFT_BRACKET;
}

function respondText(request: AuthorizedRequest, text: string): void {
  request.respond(200, 'application/json', text);
}

function keyAt(key: string | undefined, index: number): string | undefined {
  return key === undefined ? undefined : `${key}#${index}`;
}

function invalid(member: string, detail: string): PolycastError {
  return new PolycastError('invalid_event', detail, { member });
}

function tooMuch({ events, length }: Expansion): PolycastError {
  const detail = `At most ${events} events, with ${length} characters of data in all, are taken at once.`;
  return new PolycastError('batch_too_large', detail, { limit: events });
}

const LEFT_BRACKET = 91;
const NONE: ReadonlySet<string> = new Set();
const ADDRESSED: ReadonlySet<string> = new Set(['user', 'users']);
const NO_USER = 'A user is a text of 1 to 128 characters, none of them a control character.';
