import { encodeCursor, jsonFraming, parseCursor, type Cursor, type Gap, type PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Batch } from '../core/batch.ts';
import { withoutOwn } from '../core/own-events.ts';
import { Reader, type Sink } from '../core/reader.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import { markOf } from './author.ts';
import { answerBare } from './bare-answer.ts';
import { respondCompressed } from './compress.ts';
import { namesTag, tagsIn } from './conditions.ts';
import { interestOf, lastEventId, type Consumer } from './consumer.ts';
import type { EventsQuery } from './events-query.ts';
import { HeldAnswer } from './held-answer.ts';
import { asPolycastError, respondEmpty, respondProblem } from './respond.ts';
import type { Services, TransportName } from './services.ts';

/** What a poll asked for beyond its channels. */
export interface PollWish {
  readonly limit: number;
  /** 0 for a short poll. */
  readonly waitSeconds: number;
  /** `Preference-Applied` has to be said. */
  readonly preferred: boolean;
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
  if (lastEventId(headers) !== undefined) return undefined;
  const { feed } = services;
  const single = query.knownTag === ifNoneMatch ? query.knownCursor : cursorOf(ifNoneMatch);
  query.knownTag = ifNoneMatch;
  query.knownCursor = single;
  const known = single ?? newestIn(ifNoneMatch, feed);
  if (known === undefined || known.epoch !== feed.epoch || known.position > feed.head) return undefined;
  const { afterCursor } = query;
  if (afterCursor !== undefined && (afterCursor.epoch !== feed.epoch || afterCursor.position > known.position))
    return undefined;
  if (feed.isQuiet(interestOf(services, query, principal), known.position) !== true) return undefined;
  return single === undefined ? tagOf(known.epoch, known.position) : ifNoneMatch;
}

export function respondUnchanged(services: Services, response: ServerResponse, tag: string): void {
  const { keepAlive } = services.settings;
  const head = `HTTP/1.1 304 Not Modified\r\nETag: ${tag}\r\nCache-Control: no-cache\r\nKeep-Alive: ${keepAlive}\r\n`;
  if (answerBare(services, response, head)) return;
  respondEmpty(response, 304, ['ETag', tag, 'Cache-Control', 'no-cache', 'Keep-Alive', keepAlive]);
}

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
  const { feed } = services;
  const tag = wish.waitSeconds > 0 && consumer.gap === undefined ? request.headers['if-none-match'] : undefined;
  const known = tag === undefined ? undefined : (cursorOf(tag) ?? newestIn(tag, feed));
  // What the client has already seen does not end its wait.
  const seen =
    known !== undefined &&
    known.epoch === feed.epoch &&
    known.position > consumer.position &&
    known.position <= feed.head;
  const unchanged =
    wish.waitSeconds === 0 && lastEventId(request.headers) === undefined ? request.headers['if-none-match'] : undefined;
  new Poll(services, response, seen ? { ...consumer, position: known.position } : consumer, wish, unchanged).start();
}

class Poll extends HeldAnswer implements Sink {
  readonly #wish: PollWish;
  /** The answer that the client has already, if it may be told so. */
  readonly #ifNoneMatch: string | undefined;
  protected readonly reader: Reader;
  readonly #gaps: Gap[] = [];
  /** How its client's own events name it, if those are left out. */
  readonly #ownMark: string | undefined;

  constructor(services: Services, response: ServerResponse, consumer: Consumer, wish: PollWish, ifNoneMatch?: string) {
    super(services, response, consumer);
    this.#wish = wish;
    this.#ifNoneMatch = ifNoneMatch;
    this.#ownMark = consumer.excludesSelf ? markOf(consumer.principal, consumer.client as string) : undefined;
    this.reader = new Reader(services.feed, this, consumer.interest, jsonFraming, consumer.position, wish.limit);
    this.reader.excuse(consumer.excusedThrough);
    if (consumer.gap !== undefined) this.#gaps.push(consumer.gap);
  }

  get transport(): TransportName {
    return this.#wish.waitSeconds > 0 ? 'long_poll' : 'poll';
  }

  start(): void {
    this.services.sessions.add(this);
    this.reader.start();
    if (this.reader.isClosed || this.#wish.waitSeconds === 0) return;
    // It waits: for an event, for its time, or for the client to go.
    this.response.on('close', () => this.#close());
    this.wait(this.#wish.waitSeconds);
  }

  deliver(batch: Batch, tellGap: boolean): boolean {
    const { feed, figures } = this.services;
    if (tellGap) {
      this.#gaps.push({
        from: encodeCursor(feed.epoch, batch.from),
        to: encodeCursor(feed.epoch, batch.gapThrough),
        reason: 'retention',
      });
    }
    const { bytes, count } = this.#ownMark === undefined ? batch : withoutOwn(batch, this.#ownMark);
    // What was all its own is no news.
    if (count === 0 && batch.count > 0 && this.#gaps.length === 0) return true;
    figures.deliveries[this.transport] += count;
    // The framing leaves a comma behind each event.
    this.#answer(count === 0 ? NO_BYTES : bytes.subarray(0, bytes.length - 1), batch.reached);
    return false;
  }

  caughtUp(): void {
    if (this.#wish.waitSeconds === 0 || this.#gaps.length > 0) this.due();
  }

  due(): void {
    this.#answer(NO_BYTES, this.reader.position);
  }

  failed(error: PolycastError): void {
    this.#close();
    respondProblem(this.response, asPolycastError(error));
  }

  #answer(events: Uint8Array, position: Position): void {
    if (this.reader.isClosed) return;
    this.#close();
    if (this.#wish.waitSeconds === 0) this.services.sessions.polled(this.principal, this.channels);
    const cursor = encodeCursor(this.services.feed.epoch, position);
    this.services.figures.gaps += this.#gaps.length;
    const etag = tagOf(this.services.feed.epoch, position);
    const headers = ['ETag', etag, 'Cache-Control', 'no-cache', 'Keep-Alive', this.services.settings.keepAlive];
    // An answer that is cut is the same one as long as it ends in the same place.
    if (this.#gaps.length === 0 && namesTag(this.#ifNoneMatch, etag)) return respondEmpty(this.response, 304, headers);
    const tail = Buffer.from(`],"cursor":"${cursor}","gaps":${JSON.stringify(this.#gaps)}}`);
    headers.push('Cross-Origin-Resource-Policy', 'same-origin');
    if (this.#wish.preferred) headers.push('Preference-Applied', `wait=${this.#wish.waitSeconds}`);
    respondCompressed(this.response, 200, 'application/json', [HEAD, events, tail], headers);
  }

  #close(): void {
    this.reader.close();
    this.services.wheel.cancel(this);
    this.services.sessions.remove(this);
  }
}

const HEAD = Buffer.from('{"events":[');
const NO_BYTES = Buffer.alloc(0);

/** The place up to which the answer with this entity tag speaks. */
function cursorOf(tag: string): Cursor | undefined {
  return parseCursor(tag.slice(tag.startsWith('W/"') ? 3 : 1, -1));
}

/** The newest place among those that a header with several tags names, and that this log has; `*` stands for all that there is. */
function newestIn(ifNoneMatch: string, { epoch, head }: Services['feed']): Cursor | undefined {
  const tags = tagsIn(ifNoneMatch);
  if (tags === '*') return { epoch, position: head };
  let newest: Cursor | undefined;
  for (const tag of tags) {
    const cursor = parseCursor(tag);
    const isOurs = cursor !== undefined && cursor.epoch === epoch && cursor.position <= head;
    if (isOurs && cursor.position >= (newest?.position ?? 0)) newest = cursor;
  }
  return newest;
}

function tagOf(epoch: string, position: Position): string {
  return `W/"${encodeCursor(epoch, position)}"`;
}
