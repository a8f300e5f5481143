import { checkChannel, encodeCursor, jsonFraming, PolycastError, type GapReason } from '@polycast/protocol';
import { integerParameter, singleParameters } from '../http/query.ts';
import { invalidParameter } from '../http/refusals.ts';
import { joinFrames } from '../core/events/batch.ts';
import { gapOf } from '../core/log-reader.ts';
import type { Interest } from '../core/interests/interest.ts';
import type { Position, ReadPage, StoredRecord } from '../core/ports.ts';
import type { Action, Principal } from '../core/access/principal.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { resolveStart } from '../core/start.ts';
import { AuthorizedRequest } from '../auth/authorized-request.ts';
import { entityTag, entityTagHeader } from '../http/headers/cache-headers.ts';
import { toByteText } from '../http/headers/header-value.ts';
import { includesTag, parseEntityTags } from '../http/headers/conditional-headers.ts';
import { newestEvent } from '../core/newest-event.ts';
import { PendingResponse } from './pending-response.ts';
import type { ReadParts } from './stream-parts.ts';
import { readQuery } from '../http/query-parameter.ts';
import { HISTORY_LIMIT, HISTORY_PARAMETERS } from './descriptions.ts';
import { storedContent } from './stored-content.ts';

/**
 * `GET /v1/channels/{c}` (PROTOCOL.md section 10.1): the newest event's data, as it was published.
 */
export async function readChannel(parts: ReadParts, request: AuthorizedRequest, name: string): Promise<void> {
  const channel = checkChannel(name);
  const values = singleParameters(request.query, ['wait', 'token']);
  const waitSeconds = integerParameter(values, 'wait', 0, parts.settings.pollWaitMaxSeconds) ?? 0;
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

/** `GET /v1/channels/{c}/history` (PROTOCOL.md section 10.2). */
export async function readHistory(parts: ReadParts, request: AuthorizedRequest, name: string): Promise<void> {
  const channel = checkChannel(name);
  const values = readQuery(request.query, HISTORY_PARAMETERS);
  const limit = HISTORY_LIMIT.read(values);
  // A caller may not read the history of a channel that it may not subscribe to.
  const interest = await authorizedInterest(parts, request, ['subscribe', 'history'], channel);
  const { cacheHeaders, feed, log } = parts;
  const after = values.get('after');
  const before = values.get('before');
  if (after !== undefined && before !== undefined) throw invalidParameter('before', 'cannot be combined with after');
  const start = resolveStart(after ?? before ?? 'now', log.state);
  const gaps = start.gap === undefined ? [] : [start.gap];
  const isConnected = (): boolean => !request.isClosed;
  const page =
    after === undefined
      ? await pageBefore(parts, interest, start.position, limit, before !== undefined && before !== 'now', isConnected)
      : await pageAfter(parts, interest, start.position, limit, isConnected);
  if (page.gapThrough > (page.gapReason === 'corrupt' ? 0 : start.suppressGapThrough))
    gaps.push({
      from: encodeCursor(feed.epoch, page.gapFrom),
      to: encodeCursor(feed.epoch, page.gapThrough),
      reason: page.gapReason,
    });
  const previous =
    page.hasPrevious && page.records[0] !== undefined ? encodeCursor(feed.epoch, page.records[0].position) : null;
  const next =
    page.hasNext && page.records.length > 0
      ? encodeCursor(feed.epoch, (page.records.at(-1) as StoredRecord).position)
      : null;
  const events = joinFrames(jsonFraming, feed.epoch, page.records, Buffer.allocUnsafe);
  const tail = `],"previous":${JSON.stringify(previous)},"next":${JSON.stringify(next)},"gaps":${JSON.stringify(gaps)}}`;
  const links = [];
  const here = `/v1/channels/${channel}/history?limit=${limit}`;
  if (previous !== null) links.push(`<${here}&before=${previous}>; rel="prev"`);
  if (next !== null) links.push(`<${here}&after=${next}>; rel="next"`);
  const headers = [...cacheHeaders.pairs(request.principal, 'other', 'asked')];
  if (links.length > 0) headers.push('Link', links.join(', '));
  request.respondCompressed(
    [Buffer.from('{"events":['), events.subarray(0, Math.max(0, events.length - 1)), Buffer.from(tail)],
    headers,
  );
}

interface HistoryPage {
  /** The oldest first. */
  readonly records: readonly StoredRecord[];
  readonly hasPrevious: boolean;
  readonly hasNext: boolean;
  readonly gapFrom: Position;
  readonly gapThrough: Position;
  readonly gapReason: GapReason;
}

/** Reads one event more than the page needs, to find out whether another page follows. */
async function pageAfter(
  parts: ReadParts,
  interest: Interest,
  after: Position,
  limit: number,
  isConnected: () => boolean,
): Promise<HistoryPage> {
  const page = await parts.feed.read(
    interest,
    after,
    parts.feed.head,
    'forward',
    limit + 1,
    parts.settings.pollBytesMax,
    isConnected,
  );
  const records = page.records.slice(0, limit);
  const hasNext = page.records.length > records.length || page.reached < parts.feed.head;
  return {
    records,
    hasPrevious: after > 0,
    hasNext,
    gapFrom: after,
    ...gapOf(page, after),
  };
}

async function pageBefore(
  parts: ReadParts,
  interest: Interest,
  before: Position,
  limit: number,
  exclusive: boolean,
  isConnected: () => boolean,
): Promise<HistoryPage> {
  const through = exclusive ? before - 1 : before;
  const page: ReadPage = await parts.feed.read(
    interest,
    0,
    through,
    'backward',
    limit + 1,
    parts.settings.pollBytesMax,
    isConnected,
  );
  const records = page.records.slice(0, limit).toReversed();
  const last = records.at(-1);
  const hasNext =
    exclusive && last !== undefined && (await hasEventsAfter(parts, interest, last.position, isConnected));
  return {
    records,
    hasPrevious: page.records.length > limit || page.reached > 0,
    hasNext,
    gapFrom: page.reached,
    gapThrough: page.corruptThrough > page.reached ? page.corruptThrough : 0,
    gapReason: 'corrupt',
  };
}

async function hasEventsAfter(
  { feed }: ReadParts,
  interest: Interest,
  position: Position,
  isWanted: () => boolean,
): Promise<boolean> {
  const isQuiet = feed.isQuiet(interest, position);
  if (isQuiet !== undefined) return !isQuiet;
  const page = await feed.read(interest, position, feed.head, 'forward', 1, 1, isWanted);
  return page.records.length > 0;
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

async function authorizedInterest(
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
