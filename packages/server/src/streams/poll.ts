import {
  encodeCursor,
  jsonFraming,
  parseCursor,
  type Cursor,
  type Gap,
  type PolycastError,
  type TransportName,
} from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Batch } from '../core/events/batch.ts';
import { withoutOwnEvents } from '../core/events/own-events.ts';
import { Reader, type Sink } from '../core/reader.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/access/principal.ts';
import { ownEventMarker } from '../auth/author.ts';
import { respondEmptyRaw } from '../http/sockets/raw-response.ts';
import { entityTag, entityTagHeader, type Freshness } from '../http/headers/cache-headers.ts';
import { encodingForSize, respondCompressed } from '../http/body/compress.ts';
import { includesTag, parseEntityTags } from '../http/headers/conditional-headers.ts';
import { interestOf, isReadableByAnyone, resumeCursor, type ReadRequest } from './read-request.ts';
import type { EventsQuery } from './events-query.ts';
import { PendingResponse } from './pending-response.ts';
import { credentialsError } from '../auth/permission.ts';
import { toPolycastError, respondEmpty, respondProblem } from '../http/respond.ts';
import type { ReadParts } from './stream-parts.ts';

/** The options of a poll, beside its channels. */
export interface PollOptions {
  readonly limit: number;
  /** 0 for a short poll. */
  readonly waitSeconds: number;
  /** The wait came from `Prefer`, so the response carries `Preference-Applied`. */
  readonly isPreferred: boolean;
  /**
   * The request resumes from a `Last-Event-ID` (header or parameter), which no entity tag covers.
   */
  readonly isResumed: boolean;
  /** The query as the client sent it. */
  readonly query: EventsQuery;
}

/**
 * The entity tag to answer `304` with, if the client's `If-None-Match` still matches (PROTOCOL.md
 * section 5.2). A tag holds the cursor that its response reached, and the caller's tag:
 * `W/"0t24qj92dx-00000000001"`. The function looks only in memory: it returns `undefined` if only
 * the log could tell.
 */
export function unchangedTag(
  parts: ReadParts,
  headers: IncomingHttpHeaders,
  query: EventsQuery,
  principal: Principal,
  ifNoneMatch: string,
): string | undefined {
  if (resumeCursor(headers, query) !== undefined) return undefined;
  const { feed, cacheHeaders } = parts;
  const callerTag = cacheHeaders.callerTag(principal);
  const cursor =
    query.lastIfNoneMatch === ifNoneMatch && query.lastCallerTag === callerTag
      ? query.lastTagCursor
      : cursorOfTag(ifNoneMatch, callerTag);
  query.lastIfNoneMatch = ifNoneMatch;
  query.lastCallerTag = callerTag;
  query.lastTagCursor = cursor;
  const newest = cursor ?? newestCursor(ifNoneMatch, callerTag, feed);
  if (newest === undefined || newest.epoch !== feed.epoch || newest.position > feed.head) return undefined;
  if (newest.position <= feed.erasedAtHead) return undefined;
  const { afterCursor } = query;
  if (afterCursor !== undefined && (afterCursor.epoch !== feed.epoch || afterCursor.position > newest.position))
    return undefined;
  if (feed.isQuiet(interestOf(parts, query, principal), newest.position) !== true) return undefined;
  return cursor === undefined ? entityTagOf(newest.epoch, newest.position, callerTag) : ifNoneMatch;
}

export function respondUnchanged(parts: ReadParts, response: ServerResponse, principal: Principal, tag: string): void {
  const { cacheHeaders, settings } = parts;
  const { keepAliveHeader: keepAlive } = settings;
  const lines = cacheHeaders.lines(principal, 'events', 'asked');
  // Many clients that poll one channel send the same tag, so the last head is remembered.
  if (tag !== lastUnchanged.tag || lines !== lastUnchanged.lines || keepAlive !== lastUnchanged.keepAlive)
    lastUnchanged = { tag, lines, keepAlive, head: `${NOT_MODIFIED}${tag}\r\n${lines}Keep-Alive: ${keepAlive}\r\n` };
  if (respondEmptyRaw(parts.auth, response, lastUnchanged.head)) return;
  const pairs = cacheHeaders.pairs(principal, 'events', 'asked');
  respondEmpty(response, 304, [...entityTagHeader(tag), ...pairs, 'Keep-Alive', keepAlive]);
}

const NOT_MODIFIED = 'HTTP/1.1 304 Not Modified\r\nETag: ';
/** The head of the last `304`. */
let lastUnchanged = { tag: '', lines: '', keepAlive: '', head: '' };

/**
 * Short and long poll (PROTOCOL.md section 5). A poll is a reader whose sink is one response. The
 * first batch completes the response. Without a batch a short poll answers immediately, and a long
 * poll when its wait is over.
 */
export function answerPoll(
  parts: ReadParts,
  request: IncomingMessage,
  response: ServerResponse,
  readRequest: ReadRequest,
  options: PollOptions,
): void {
  const { feed, cacheHeaders } = parts;
  const tag = options.waitSeconds > 0 && readRequest.gap === undefined ? request.headers['if-none-match'] : undefined;
  const callerTag = cacheHeaders.callerTag(readRequest.principal);
  const known = tag === undefined ? undefined : (cursorOfTag(tag, callerTag) ?? newestCursor(tag, callerTag, feed));
  // Events that the client has already seen do not end its wait.
  const isAhead =
    known !== undefined &&
    known.epoch === feed.epoch &&
    known.position > readRequest.position &&
    known.position <= feed.head;
  const unchanged = options.waitSeconds === 0 && !options.isResumed ? request.headers['if-none-match'] : undefined;
  new Poll(
    parts,
    response,
    isAhead ? { ...readRequest, position: known.position } : readRequest,
    options,
    unchanged,
  ).start();
}

class Poll extends PendingResponse<ReadParts> implements Sink {
  readonly #options: PollOptions;
  /** The entity tags of the request, if the response may be a `304`. */
  readonly #ifNoneMatch: string | undefined;
  protected readonly reader: Reader;
  readonly #gaps: Gap[] = [];
  /** Pages of the log that were read and had no matching event. */
  #emptyPages = 0;
  /** The bytes that mark the client's own events. `undefined` if those are delivered too. */
  readonly #ownEventMarker: string | undefined;
  /**
   * The cursor's position, if the response is the same for every caller of this address.
   * `undefined` for all other queries.
   */
  readonly #pageAfter: Position | undefined;
  /** The poll found no events at first and waited. */
  #hasWaited = false;
  readonly #from: Position;
  #gapThrough: Position = 0;
  readonly #client: string | undefined;

  constructor(
    parts: ReadParts,
    response: ServerResponse,
    readRequest: ReadRequest,
    options: PollOptions,
    ifNoneMatch?: string,
  ) {
    super(parts, response, readRequest);
    this.#options = options;
    this.#ifNoneMatch = ifNoneMatch;
    this.#from = readRequest.position;
    this.#client = readRequest.client;
    this.#ownEventMarker = readRequest.excludesSelf
      ? ownEventMarker(readRequest.principal, readRequest.client as string)
      : undefined;
    this.reader = new Reader(parts.feed, this, readRequest.interest, jsonFraming, readRequest.position, options.limit);
    this.reader.suppressGapThrough(readRequest.suppressGapThrough);
    if (readRequest.gap !== undefined) this.#gaps.push(readRequest.gap);
    const { query } = options;
    const isSharable = !query.isPersonal && !query.excludesSelf && !options.isResumed;
    this.#pageAfter = isSharable && readRequest.gap === undefined ? query.afterCursor?.position : undefined;
  }

  get transport(): TransportName {
    return this.#options.waitSeconds > 0 ? 'long-poll' : 'short-poll';
  }

  override get isMomentary(): boolean {
    return this.#options.waitSeconds === 0;
  }

  start(): void {
    if (!this.begin()) return;
    this.reader.start(this.#options.waitSeconds > 0);
    if (this.reader.isClosed) return;
    // The poll waits for a page of the log, an event, its timeout, or the client's disconnect.
    this.response.on('close', () => this.#close());
    if (this.#options.waitSeconds > 0) this.scheduleTimeout(this.#options.waitSeconds);
  }

  deliver(batch: Batch, sendGapFirst: boolean): boolean {
    const { feed, stats } = this.parts;
    // The credentials may have ended while the poll waited for the log or an event. The response
    // carries the error.
    const refusal = credentialsError(this.parts.auth, this.principal);
    if (refusal !== undefined) {
      const { principal, address } = this;
      this.parts.auth.refusalLog.record(refusal, { route: 'GET /v1/events', address, principal });
      this.onFailed(refusal);
      return false;
    }
    if (sendGapFirst) {
      this.#gapThrough = batch.gapThrough;
      this.#gaps.push({
        from: encodeCursor(feed.epoch, batch.from),
        to: encodeCursor(feed.epoch, batch.gapThrough),
        reason: batch.gapReason,
      });
    }
    const { bytes, count } = this.#ownEventMarker === undefined ? batch : withoutOwnEvents(batch, this.#ownEventMarker);
    // A batch with only the client's own events does not end the wait.
    if (count === 0 && batch.count > 0 && this.#gaps.length === 0) return true;
    stats.deliveries[this.transport] += count;
    // The framing leaves a comma after each event.
    const isPage = batch.isHttpCacheable && batch.from === this.#pageAfter && this.#gaps.length === 0;
    this.#respond(count === 0 ? NO_BYTES : bytes.subarray(0, bytes.length - 1), batch.reached, isPage);
    return false;
  }

  /**
   * Answers with the position that the search has reached, and the client continues from there.
   * This bounds the cost of a poll for rare events.
   */
  onPageRead(): boolean {
    if (++this.#emptyPages < EMPTY_PAGES_MAX || this.reader.position >= this.parts.feed.head) return true;
    this.#respond(NO_BYTES, this.reader.position, false, true);
    return false;
  }

  onCaughtUp(): void {
    this.#hasWaited = this.#options.waitSeconds > 0;
    if (this.#options.waitSeconds === 0 || this.#gaps.length > 0) this.onTimer();
  }

  onTimer(): void {
    this.#respond(NO_BYTES, this.reader.position);
  }

  onFailed(error: PolycastError): void {
    this.#close();
    if (error.code === 'internal_error') this.parts.auth.logger.error({ error }, 'poll: reading the log failed');
    respondProblem(this.response, toPolycastError(error));
  }

  /** @param isPartial the search for events ended before the head */
  #respond(events: Uint8Array, position: Position, isPage: boolean = false, isPartial: boolean = false): void {
    if (this.reader.isClosed) return;
    this.#close();
    if (this.#options.waitSeconds === 0 && !this.#options.query.isPresenceExempt)
      this.parts.sessions.polled(this.principal, this.channels);
    if (this.principal.user !== undefined && this.parts.sessions.recordsPolls) this.#record(position);
    const cursor = encodeCursor(this.parts.feed.epoch, position);
    this.parts.stats.gaps += this.#gaps.length;
    const tail = Buffer.from(
      `],"cursor":"${cursor}","gaps":${JSON.stringify(this.#gaps)}${isPartial ? ',"more":true}' : '}'}`,
    );
    const freshness = this.#freshness(isPage);
    const etag = this.#entityTag(cursor, freshness, BODY_START.length + events.length + tail.length);
    const { cacheHeaders, settings } = this.parts;
    const headers = [...entityTagHeader(etag), ...cacheHeaders.pairs(this.principal, 'events', freshness)];
    headers.push('Keep-Alive', settings.keepAliveHeader);
    // A response that the limit cuts short has the same tag as long as it ends at the same
    // position.
    const isErased = position <= this.parts.feed.erasedAtHead;
    if (this.#gaps.length === 0 && !isErased && includesTag(this.#ifNoneMatch, etag))
      return respondEmpty(this.response, 304, headers);
    headers.push('Cross-Origin-Resource-Policy', 'same-origin');
    if (this.#options.isPreferred) headers.push('Preference-Applied', `wait=${this.#options.waitSeconds}`);
    respondCompressed(this.response, 200, 'application/json', [BODY_START, events, tail], headers);
  }

  #record(reached: Position): void {
    const { transport, principal, address } = this;
    this.parts.sessions.answered({
      transport,
      principal,
      interest: this.reader.interest,
      address,
      client: this.#client,
      excludesOwn: this.#ownEventMarker !== undefined,
      from: this.#from,
      reached,
      gapThrough: this.#gapThrough,
    });
  }

  /**
   * Chooses the freshness. A response must not be stored if it depends on a resume cursor, or on
   * the time of the request.
   */
  #freshness(isPage: boolean): Freshness {
    if (isPage && this.parts.cacheHeaders.pageMaxAgeSeconds > 0 && isReadableByAnyone(this.parts, this.#options.query))
      return 'page';
    return this.#hasWaited || this.#options.isResumed ? 'now' : 'asked';
  }

  /**
   * The entity tag. A page has a strong tag: its bytes are always the same in one coding. Any other
   * response has a weak tag of the cursor and the caller.
   */
  #entityTag(cursor: string, freshness: Freshness, bytes: number): string {
    if (freshness !== 'page') return entityTag(cursor + this.parts.cacheHeaders.callerTag(this.principal), false);
    const encoding = encodingForSize(this.response, bytes);
    return entityTag(encoding === undefined ? cursor : `${cursor}~${encoding}`, true);
  }

  #close(): void {
    this.reader.close();
    this.parts.wheel.cancel(this);
    this.parts.sessions.remove(this);
  }
}

/**
 * Each page looks at some 2,000 events at most, so a poll for rare events answers after some
 * 33,000.
 */
const EMPTY_PAGES_MAX = 16;
const BODY_START = Buffer.from('{"events":[');
const NO_BYTES = Buffer.alloc(0);

/** The cursor in an entity tag, if the tag was made for this caller. */
function cursorOfTag(tag: string, callerTag: string): Cursor | undefined {
  if (callerTag !== '' && !tag.endsWith(callerTag, tag.length - 1)) return undefined;
  return parseCursor(tag.slice(tag.startsWith('W/"') ? 3 : 1, -1 - callerTag.length));
}

/**
 * The newest cursor of this log among the tags of a header. `*` matches everything up to the head.
 */
function newestCursor(ifNoneMatch: string, callerTag: string, { epoch, head }: ReadParts['feed']): Cursor | undefined {
  const tags = parseEntityTags(ifNoneMatch);
  if (tags === '*') return { epoch, position: head };
  let newest: Cursor | undefined;
  for (const tag of tags) {
    const cursor = tag.endsWith(callerTag) ? parseCursor(tag.slice(0, tag.length - callerTag.length)) : undefined;
    const isOurs = cursor !== undefined && cursor.epoch === epoch && cursor.position <= head;
    if (isOurs && cursor.position >= (newest?.position ?? 0)) newest = cursor;
  }
  return newest;
}

function entityTagOf(epoch: string, position: Position, callerTag: string): string {
  return entityTag(encodeCursor(epoch, position) + callerTag, false);
}
