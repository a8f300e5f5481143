import { encodeCursor, jsonFraming, parseCursor, type Cursor, type Gap, type PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Batch } from '../core/batch.ts';
import { withoutOwn } from '../core/own-events.ts';
import { Reader, type Sink } from '../core/reader.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import { markOf } from './author.ts';
import { answerBare } from './bare-answer.ts';
import { entityTag, etagPair, type Freshness } from './cache-headers.ts';
import { encodingFor, respondCompressed } from './compress.ts';
import { namesTag, tagsIn } from './conditions.ts';
import { interestOf, isForAnyone, resumedFrom, type Consumer } from './consumer.ts';
import type { EventsQuery } from './events-query.ts';
import { HeldAnswer } from './held-answer.ts';
import { standingOf } from './permission.ts';
import { asPolycastError, respondEmpty, respondProblem } from './respond.ts';
import type { Services, TransportName } from './services.ts';

/** What a poll asked for beyond its channels. */
export interface PollWish {
  readonly limit: number;
  /** 0 for a short poll. */
  readonly waitSeconds: number;
  /** `Preference-Applied` has to be said. */
  readonly preferred: boolean;
  /** It goes on where it was: no tag speaks of that place. */
  readonly isResumed: boolean;
  /** As it was asked for. */
  readonly query: EventsQuery;
}

/**
 * The tag of the answer that the client has, by its `If-None-Match`, if that still is what it would get (PROTOCOL.md section 5.2). Told
 * from memory; when only the log could tell, it is `undefined`.
 */
export function unchangedTag(
  services: Services,
  headers: IncomingHttpHeaders,
  query: EventsQuery,
  principal: Principal,
  ifNoneMatch: string,
): string | undefined {
  if (resumedFrom(headers, query) !== undefined) return undefined;
  const { feed, caching } = services;
  const mark = caching.mark(principal);
  const single =
    query.knownTag === ifNoneMatch && query.knownMark === mark ? query.knownCursor : cursorOf(ifNoneMatch, mark);
  query.knownTag = ifNoneMatch;
  query.knownMark = mark;
  query.knownCursor = single;
  const known = single ?? newestIn(ifNoneMatch, mark, feed);
  if (known === undefined || known.epoch !== feed.epoch || known.position > feed.head) return undefined;
  const { afterCursor } = query;
  if (afterCursor !== undefined && (afterCursor.epoch !== feed.epoch || afterCursor.position > known.position))
    return undefined;
  if (feed.isQuiet(interestOf(services, query, principal), known.position) !== true) return undefined;
  return single === undefined ? tagOf(known.epoch, known.position, mark) : ifNoneMatch;
}

export function respondUnchanged(
  services: Services,
  response: ServerResponse,
  principal: Principal,
  tag: string,
): void {
  const { caching, settings } = services;
  const { keepAlive } = settings;
  const lines = caching.lines(principal, 'events', 'asked');
  // A crowd that polls one channel has one tag.
  if (tag !== unchanged.tag || lines !== unchanged.lines || keepAlive !== unchanged.keepAlive)
    unchanged = { tag, lines, keepAlive, head: `${NOT_MODIFIED}${tag}\r\n${lines}Keep-Alive: ${keepAlive}\r\n` };
  if (answerBare(services, response, unchanged.head)) return;
  const pairs = caching.pairs(principal, 'events', 'asked');
  respondEmpty(response, 304, [...etagPair(tag), ...pairs, 'Keep-Alive', keepAlive]);
}

const NOT_MODIFIED = 'HTTP/1.1 304 Not Modified\r\nETag: ';
/** The head of the last answer. */
let unchanged = { tag: '', lines: '', keepAlive: '', head: '' };

/**
 * Short and long poll (PROTOCOL.md section 5). A poll is a reader whose sink is one answer: given by the first batch, or, when
 * there is nothing, at once or when its wait is over.
 */
export function answerPoll(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  consumer: Consumer,
  wish: PollWish,
): void {
  const { feed, caching } = services;
  const tag = wish.waitSeconds > 0 && consumer.gap === undefined ? request.headers['if-none-match'] : undefined;
  const mark = caching.mark(consumer.principal);
  const known = tag === undefined ? undefined : (cursorOf(tag, mark) ?? newestIn(tag, mark, feed));
  // What the client has already seen does not end its wait.
  const seen =
    known !== undefined &&
    known.epoch === feed.epoch &&
    known.position > consumer.position &&
    known.position <= feed.head;
  const unchanged = wish.waitSeconds === 0 && !wish.isResumed ? request.headers['if-none-match'] : undefined;
  new Poll(services, response, seen ? { ...consumer, position: known.position } : consumer, wish, unchanged).start();
}

class Poll extends HeldAnswer implements Sink {
  readonly #wish: PollWish;
  /** The answer that the client has already, if it may be told so. */
  readonly #ifNoneMatch: string | undefined;
  protected readonly reader: Reader;
  readonly #gaps: Gap[] = [];
  /** Pages of the log that were read and had nothing for it. */
  #emptyPages = 0;
  /** How its client's own events name it, if those are left out. */
  readonly #ownMark: string | undefined;
  /** Its address begins after this cursor, and asks for what is the same for all; `undefined` for others. */
  readonly #pageAfter: Position | undefined;
  /** Nothing was there when it was asked. */
  #isHeld = false;

  constructor(services: Services, response: ServerResponse, consumer: Consumer, wish: PollWish, ifNoneMatch?: string) {
    super(services, response, consumer);
    this.#wish = wish;
    this.#ifNoneMatch = ifNoneMatch;
    this.#ownMark = consumer.excludesSelf ? markOf(consumer.principal, consumer.client as string) : undefined;
    this.reader = new Reader(services.feed, this, consumer.interest, jsonFraming, consumer.position, wish.limit);
    this.reader.excuse(consumer.excusedThrough);
    if (consumer.gap !== undefined) this.#gaps.push(consumer.gap);
    const { query } = wish;
    const isSame = !query.isPersonal && !query.excludesSelf && !wish.isResumed;
    this.#pageAfter = isSame && consumer.gap === undefined ? query.afterCursor?.position : undefined;
  }

  get transport(): TransportName {
    return this.#wish.waitSeconds > 0 ? 'long_poll' : 'poll';
  }

  start(): void {
    if (!this.begin()) return;
    this.reader.start(this.#wish.waitSeconds > 0);
    if (this.reader.isClosed) return;
    // It waits: for a page of the log, for an event, for its time, or for the client to go.
    this.response.on('close', () => this.#close());
    if (this.#wish.waitSeconds > 0) this.wait(this.#wish.waitSeconds);
  }

  deliver(batch: Batch, tellGap: boolean): boolean {
    const { feed, figures } = this.services;
    // The log was read, or an event waited for, since the credentials were looked at: the next request is told why.
    const refusal = standingOf(this.services, this.principal);
    if (refusal !== undefined) {
      const { principal, address } = this;
      this.services.refusals.record(refusal, { route: 'GET /v1/events', address, principal });
      this.failed(refusal);
      return false;
    }
    if (tellGap) {
      this.#gaps.push({
        from: encodeCursor(feed.epoch, batch.from),
        to: encodeCursor(feed.epoch, batch.gapThrough),
        reason: batch.gapReason,
      });
    }
    const { bytes, count } = this.#ownMark === undefined ? batch : withoutOwn(batch, this.#ownMark);
    // What was all its own is no news.
    if (count === 0 && batch.count > 0 && this.#gaps.length === 0) return true;
    figures.deliveries[this.transport] += count;
    // The framing leaves a comma behind each event.
    const isPage = batch.isPage && batch.from === this.#pageAfter && this.#gaps.length === 0;
    this.#answer(count === 0 ? NO_BYTES : bytes.subarray(0, bytes.length - 1), batch.reached, isPage);
    return false;
  }

  /** Answers with the place that it has come to, so that the client goes on from there: rare events must not cost without end. */
  searched(): boolean {
    if (++this.#emptyPages < EMPTY_PAGES_MAX || this.reader.position >= this.services.feed.head) return true;
    this.#answer(NO_BYTES, this.reader.position, false, true);
    return false;
  }

  caughtUp(): void {
    this.#isHeld = this.#wish.waitSeconds > 0;
    if (this.#wish.waitSeconds === 0 || this.#gaps.length > 0) this.due();
  }

  due(): void {
    this.#answer(NO_BYTES, this.reader.position);
  }

  failed(error: PolycastError): void {
    this.#close();
    respondProblem(this.response, asPolycastError(error));
  }

  /** @param isPartial the search for events ended before the head */
  #answer(events: Uint8Array, position: Position, isPage: boolean = false, isPartial: boolean = false): void {
    if (this.reader.isClosed) return;
    this.#close();
    if (this.#wish.waitSeconds === 0 && !this.#wish.query.isAside)
      this.services.sessions.polled(this.principal, this.channels);
    const cursor = encodeCursor(this.services.feed.epoch, position);
    this.services.figures.gaps += this.#gaps.length;
    const tail = Buffer.from(
      `],"cursor":"${cursor}","gaps":${JSON.stringify(this.#gaps)}${isPartial ? ',"more":true}' : '}'}`,
    );
    const freshness = this.#freshness(isPage);
    const etag = this.#tag(cursor, freshness, HEAD.length + events.length + tail.length);
    const { caching, settings } = this.services;
    const headers = [...etagPair(etag), ...caching.pairs(this.principal, 'events', freshness)];
    headers.push('Keep-Alive', settings.keepAlive);
    // An answer that is cut is the same one as long as it ends in the same place.
    if (this.#gaps.length === 0 && namesTag(this.#ifNoneMatch, etag)) return respondEmpty(this.response, 304, headers);
    headers.push('Cross-Origin-Resource-Policy', 'same-origin');
    if (this.#wish.preferred) headers.push('Preference-Applied', `wait=${this.#wish.waitSeconds}`);
    respondCompressed(this.response, 200, 'application/json', [HEAD, events, tail], headers);
  }

  /** An answer that depends on what its address does not say, or on when it was asked for, is stored by nobody. */
  #freshness(isPage: boolean): Freshness {
    if (isPage && this.services.caching.pageMaxAgeSeconds > 0 && isForAnyone(this.services, this.#wish.query))
      return 'page';
    return this.#isHeld || this.#wish.isResumed ? 'now' : 'asked';
  }

  /** Of a page, the same bytes each time in one coding; of all else, what a caller has seen. */
  #tag(cursor: string, freshness: Freshness, bytes: number): string {
    if (freshness !== 'page') return entityTag(cursor + this.services.caching.mark(this.principal), false);
    const encoding = encodingFor(this.response, bytes);
    return entityTag(encoding === undefined ? cursor : `${cursor}~${encoding}`, true);
  }

  #close(): void {
    this.reader.close();
    this.services.wheel.cancel(this);
    this.services.sessions.remove(this);
  }
}

/** Each looks at some 2,000 events at most: a poll for what is rare is answered after some 33,000. */
const EMPTY_PAGES_MAX = 16;
const HEAD = Buffer.from('{"events":[');
const NO_BYTES = Buffer.alloc(0);

/** The place up to which the answer with this entity tag speaks, if it was this caller's. */
function cursorOf(tag: string, mark: string): Cursor | undefined {
  if (mark !== '' && !tag.endsWith(mark, tag.length - 1)) return undefined;
  return parseCursor(tag.slice(tag.startsWith('W/"') ? 3 : 1, -1 - mark.length));
}

/** The newest place among those that a header with several tags names, and that this log has; `*` stands for all that there is. */
function newestIn(ifNoneMatch: string, mark: string, { epoch, head }: Services['feed']): Cursor | undefined {
  const tags = tagsIn(ifNoneMatch);
  if (tags === '*') return { epoch, position: head };
  let newest: Cursor | undefined;
  for (const tag of tags) {
    const cursor = tag.endsWith(mark) ? parseCursor(tag.slice(0, tag.length - mark.length)) : undefined;
    const isOurs = cursor !== undefined && cursor.epoch === epoch && cursor.position <= head;
    if (isOurs && cursor.position >= (newest?.position ?? 0)) newest = cursor;
  }
  return newest;
}

function tagOf(epoch: string, position: Position, mark: string): string {
  return entityTag(encodeCursor(epoch, position) + mark, false);
}
