import { encodeCursor, jsonFraming, parseCursor, type Gap, type PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Batch } from '../core/batch.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { ticksOf, type Timed } from '../core/wheel.ts';
import type { Position } from '../core/ports.ts';
import { respondCompressed } from './compress.ts';
import type { Consumer } from './consumer.ts';
import { asPolycastError, respondEmpty, respondProblem } from './respond.ts';
import type { Services, TransportName } from './services.ts';
import type { Drainable } from './sessions.ts';

/** What a poll asked for beyond its channels. */
export interface PollWish {
  readonly limit: number;
  /** 0 for a short poll. */
  readonly waitSeconds: number;
  /** `Preference-Applied` has to be said. */
  readonly preferred: boolean;
}

/**
 * Short and long poll (PROTOCOL.md section 5). A poll is a reader whose sink is one answer: given by the first batch, or, when
 * there is nothing, at once or when its wait is over.
 */
export function answerPoll(services: Services, request: IncomingMessage, response: ServerResponse, consumer: Consumer, wish: PollWish): void {
  const { feed } = services;
  const ifNoneMatch = request.headers['if-none-match'];
  const known = ifNoneMatch === undefined || consumer.gap !== undefined ? undefined : knownPosition(ifNoneMatch, feed.epoch);
  if (known === undefined || known < consumer.position || known > feed.head) return new Poll(services, response, consumer, wish).start();
  if (wish.waitSeconds > 0) {
    // What the client has already seen does not end its wait.
    return new Poll(services, response, { ...consumer, position: known }, wish).start();
  }
  if (feed.isQuiet(consumer.interest, known) === true) {
    return respondEmpty(response, 304, ['ETag', ifNoneMatch as string, 'Cache-Control', 'no-cache']);
  }
  new Poll(services, response, consumer, wish).start();
}

class Poll implements Sink, Timed, Drainable {
  readonly #services: Services;
  readonly #response: ServerResponse;
  readonly #wish: PollWish;
  readonly #reader: Reader;
  readonly #gaps: Gap[] = [];
  registryIndex = -1;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(services: Services, response: ServerResponse, consumer: Consumer, wish: PollWish) {
    this.#services = services;
    this.#response = response;
    this.#wish = wish;
    this.#reader = new Reader(services.feed, this, consumer.interest, jsonFraming, consumer.position, wish.limit);
    if (consumer.gap !== undefined) this.#gaps.push(consumer.gap);
  }

  get transport(): TransportName {
    return this.#wish.waitSeconds > 0 ? 'long_poll' : 'poll';
  }

  start(): void {
    this.#services.sessions.add(this);
    this.#reader.start();
    if (this.#reader.isClosed || this.#wish.waitSeconds === 0) return;
    // It waits: for an event, for its time, or for the client to go.
    this.#response.on('close', () => this.#close());
    this.#services.wheel.schedule(this, ticksOf(this.#wish.waitSeconds * 1000));
  }

  deliver(batch: Batch, tellGap: boolean): boolean {
    const { feed, figures } = this.#services;
    if (tellGap) {
      this.#gaps.push({ from: encodeCursor(feed.epoch, batch.from), to: encodeCursor(feed.epoch, batch.gapThrough), reason: 'retention' });
    }
    figures.deliveries[this.transport] += batch.count;
    // The framing leaves a comma behind each event.
    this.#answer(batch.count === 0 ? NO_BYTES : batch.bytes.subarray(0, batch.bytes.length - 1), batch.reached);
    return false;
  }

  caughtUp(): void {
    if (this.#wish.waitSeconds === 0 || this.#gaps.length > 0) this.due();
  }

  due(): void {
    this.#answer(NO_BYTES, this.#reader.position);
  }

  failed(error: PolycastError): void {
    this.#close();
    respondProblem(this.#response, asPolycastError(error));
  }

  /** Answered early: the client comes back with its cursor. */
  drain(): void {
    this.#response.shouldKeepAlive = false;
    this.due();
  }

  destroy(): void {
    this.#response.destroy();
  }

  #answer(events: Uint8Array, position: Position): void {
    if (this.#reader.isClosed) return;
    this.#close();
    const cursor = encodeCursor(this.#services.feed.epoch, position);
    this.#services.figures.gaps += this.#gaps.length;
    const tail = Buffer.from(`],"cursor":"${cursor}","gaps":${JSON.stringify(this.#gaps)}}`);
    const headers = ['ETag', `W/"${cursor}"`, 'Cache-Control', 'no-cache', 'X-Content-Type-Options', 'nosniff'];
    if (this.#wish.preferred) headers.push('Preference-Applied', `wait=${this.#wish.waitSeconds}`);
    respondCompressed(this.#response, 200, 'application/json', [HEAD, events, tail], headers);
  }

  #close(): void {
    this.#reader.close();
    this.#services.wheel.cancel(this);
    this.#services.sessions.remove(this);
  }
}

const HEAD = Buffer.from('{"events":[');
const NO_BYTES = Buffer.alloc(0);

/** The place that an answer the client already has speaks up to. */
function knownPosition(ifNoneMatch: string, epoch: string): Position | undefined {
  const start = ifNoneMatch.startsWith('W/"') ? 3 : 1;
  const cursor = parseCursor(ifNoneMatch.slice(start, -1));
  return cursor?.epoch === epoch ? cursor.position : undefined;
}
