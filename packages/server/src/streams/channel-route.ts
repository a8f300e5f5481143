import { checkChannel, encodeCursor, jsonFraming, PolycastError } from '@polycast/protocol';
import { readInteger, singleParameters } from '../http/query.ts';
import type { Interest } from '../core/interests/interest.ts';
import type { Position, StoredRecord } from '../core/ports.ts';
import type { Action, Principal } from '../core/access/principal.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { AuthorizedRequest } from '../auth/authorized-request.ts';
import { entityTag, entityTagHeader } from '../http/headers/cache-headers.ts';
import { toByteText } from '../http/headers/header-value.ts';
import { includesTag, parseEntityTags } from '../http/headers/conditional-headers.ts';
import { newestEvent } from '../core/newest-event.ts';
import { PendingResponse } from './pending-response.ts';
import type { ReadParts } from './stream-parts.ts';
import { storedContent } from './stored-content.ts';

/**
 * `GET /v1/channels/{c}` (PROTOCOL.md section 10.1): the newest event's data, as it was published.
 */
export async function readChannel(parts: ReadParts, request: AuthorizedRequest, name: string): Promise<void> {
  const channel = checkChannel(name);
  const values = singleParameters(request.query, ['wait', 'token']);
  const waitSeconds = readInteger(values, 'wait', 0, parts.settings.pollWaitMaxSeconds) ?? 0;
  const interest = await authorizedInterest(parts, request, ['subscribe'], channel);
  const { head } = parts.feed;
  const isWanted = (): boolean => !request.isClosed;
  let latest = await newestEvent(parts.feed, interest, isWanted);
  const before = latest?.position;
  const callerTag = parts.cacheHeaders.callerTag(request.principal);
  const isUnchanged = matchesIfNoneMatch(parts, request.headers['if-none-match'], latest, callerTag);
  if (waitSeconds > 0 && isUnchanged) {
    if (request.isClosed) return;
    request.check();
    parts.auth.connectionQuota.admit(request.principal, request.sessionAddress);
    await waitForEvent(parts, request, interest, before ?? head, waitSeconds);
    if (request.isClosed) return;
    request.check();
    latest = await newestEvent(parts.feed, interest, isWanted);
  }
  if (latest === undefined) return respondEmptyChannel(parts, request, channel);
  const headers = responseHeaders(parts, request.principal, latest);
  if (isUnchanged && latest.position === before) return request.respondEmpty(304, headers);
  const { mediaType, bytes } = storedContent(latest.body);
  request.respond(200, mediaType, bytes, headers);
}

/**
 * Answers for a channel without an event. The response still has the `Link` to the hub, because a
 * subscriber may subscribe to a topic before its first event (PROTOCOL.md section 14.7).
 */
function respondEmptyChannel({ settings }: ReadParts, request: AuthorizedRequest, channel: string): void {
  request.respondProblem(new PolycastError('channel_empty'), linkHeaders(settings.publicUrl, channel));
}

/**
 * Resolves when the interest has an event after a position, the time is over, or either side
 * closes.
 */
function waitForEvent(
  parts: ReadParts,
  request: AuthorizedRequest,
  interest: Interest,
  after: Position,
  waitSeconds: number,
): Promise<void> {
  return new Promise((resolve) => new BlockingQuery(parts, request, interest, after, resolve).start(waitSeconds));
}

class BlockingQuery extends PendingResponse implements Sink {
  readonly transport = 'long-poll';
  protected readonly reader: Reader;
  readonly #done: () => void;

  constructor(parts: ReadParts, request: AuthorizedRequest, interest: Interest, after: Position, over: () => void) {
    const { principal, sessionAddress: address } = request;
    super(parts, AuthorizedRequest.responseOf(request), { principal, address });
    this.reader = new Reader(parts.feed, this, interest, jsonFraming, after, 1);
    this.#done = over;
  }

  start(waitSeconds: number): void {
    if (!this.begin()) return this.#done();
    this.scheduleTimeout(waitSeconds);
    this.response.on('close', this.#end);
    this.reader.start();
  }

  /** Ends the wait; the caller reads the event itself afterwards. */
  deliver(): boolean {
    this.#end();
    return false;
  }

  onCaughtUp(): void {}

  onFailed(): void {
    this.#end();
  }

  onTimer(): void {
    this.#end();
  }

  readonly #end = (): void => {
    this.reader.close();
    this.parts.wheel.cancel(this);
    this.parts.sessions.remove(this);
    this.response.off('close', this.#end);
    this.#done();
  };
}

/** The interest in a channel, for a caller that may do all of these. */
export async function authorizedInterest(
  { feed }: ReadParts,
  request: AuthorizedRequest,
  actions: readonly Action[],
  channel: string,
): Promise<Interest> {
  for (const action of actions) await request.authorize(action, [channel]);
  return feed.interest([channel]);
}

/**
 * Whether the caller's `If-None-Match` names the newest event. On a channel without events, only a
 * missing header or `*` matches: then a wait ends with the first event.
 */
function matchesIfNoneMatch(
  parts: ReadParts,
  ifNoneMatch: string | undefined,
  latest: StoredRecord | undefined,
  callerTag: string,
): boolean {
  if (latest === undefined) return ifNoneMatch === undefined || parseEntityTags(ifNoneMatch) === '*';
  return includesTag(ifNoneMatch, etagOf(parts, latest, callerTag));
}

function etagOf({ feed }: ReadParts, { position }: StoredRecord, callerTag: string): string {
  return entityTag(encodeCursor(feed.epoch, position) + callerTag, true);
}

function responseHeaders(parts: ReadParts, principal: Principal, record: StoredRecord): string[] {
  const { cacheHeaders, settings } = parts;
  const headers = [
    ...entityTagHeader(etagOf(parts, record, cacheHeaders.callerTag(principal))),
    ...cacheHeaders.pairs(principal, 'other', 'asked'),
    'Last-Modified',
    new Date(record.timeMs).toUTCString(),
    'Content-Security-Policy',
    "default-src 'none'; sandbox; frame-ancestors 'none'",
    // The published data may be an image that the hub's site shows.
    'Cross-Origin-Resource-Policy',
    'same-site',
    ...linkHeaders(settings.publicUrl, record.channel),
  ];
  if (record.type !== undefined && !CONTROL_CHARACTERS.test(record.type))
    headers.push('Polycast-Type', toByteText(record.type));
  return headers;
}

/**
 * The `Link` header. Its URLs are relative unless `publicUrl` is configured: the request's `Host`
 * may be that of a proxy.
 */
function linkHeaders(publicUrl: string | undefined, channel: string): readonly string[] {
  const base = publicUrl ?? '';
  return ['Link', `<${base}/v1/channels/${channel}>; rel="self", <${base}/v1/websub>; rel="hub"`];
}

// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;
