import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { PolycastError } from '@polycast/protocol';
import type { ServerResponse } from 'node:http';
import type { PublishRequest, PublishResult } from '../core/publish.ts';
import { ticksOf } from '../core/primitives/timing-wheel.ts';
import { AuthorizedRequest } from '../auth/authorized-request.ts';
import { orError } from './cloudevents.ts';
import { ChunkBuffer } from '../http/body/chunk-buffer.ts';
import { authorizePublish, recheckPublisher, type RequestPublisher } from './publish-permission.ts';
import type { PublishParts } from './publish-parts.ts';
import { groupResultJson, resultJson } from './publish-result.ts';
import { Deadline } from '../http/body/request-body.ts';
import { tooManyBodies } from '../http/refusals.ts';
import { commonHeadersOf } from '../http/headers/common-headers.ts';

/** Events that may wait for the disk before the hub stops reading the body… */
const PENDING_EVENTS_MAX = 8192;
/**
 * …and bytes of results that the client may leave unread. A client that reads nothing until it has
 * sent everything is paused at this bound.
 */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024;
const LINE_FEED = 10;

/**
 * Publishes NDJSON, one event per line (PROTOCOL.md section 8.1). Lines are published in order as
 * they arrive, and their results are sent as they become durable. The memory is bounded, however
 * long the body is.
 */
export async function publishNdjson(
  parts: PublishParts,
  publisher: RequestPublisher,
  parseLine: (line: string, index: number) => PublishRequest | readonly PublishRequest[],
): Promise<void> {
  const { wheel, settings } = parts.body;
  const { quotaOwner: client } = publisher.request;
  const lines = new LineSplitter(settings.bodyBytesMax, {
    reserve: (bytes) => parts.body.bodyBudget.tryReserve(bytes, client),
    release: (bytes) => parts.body.bodyBudget.release(bytes, client),
  });
  const results = new ResultStream(parts, AuthorizedRequest.responseOf(publisher.request), publisher.trace);
  let index = 0;
  // A client that pauses too long receives the error after its results. One that has left its
  // results unread is disconnected without it.
  const deadline = new Deadline(() => void results.abort(new PolycastError('request_timeout')));
  const publishBatch = async (texts: readonly (string | PolycastError)[]): Promise<void> => {
    const events: ParsedLine[] = [];
    for (const text of texts) {
      if (text === '') continue;
      const at = index++;
      events.push(typeof text === 'string' ? orError(() => parseLine(text, at)) : text);
    }
    if (events.length === 0) return;
    const permitted = await authorizeAll(events, publisher);
    await results.add(parts, recheckPublisher(publisher, permitted));
  };
  const timeoutTicks = ticksOf(settings.bodyTimeoutMs);
  wheel.schedule(deadline, timeoutTicks);
  try {
    for await (const chunk of publisher.request.chunks()) {
      wheel.schedule(deadline, timeoutTicks);
      await publishBatch(lines.feed(chunk));
      wheel.schedule(deadline, timeoutTicks);
    }
    await publishBatch(lines.end());
    await results.end();
  } catch (error) {
    // The connection is closed, so there is no response to write to. Complete lines are published
    // all the same.
    if (results.isClosed) return;
    if (!(error instanceof PolycastError)) throw error;
    await results.abort(error);
  } finally {
    wheel.cancel(deadline);
    lines.close();
  }
}

/** The memory budget for incomplete lines. */
interface LineBudget {
  reserve(bytes: number): boolean;
  release(bytes: number): void;
}

/**
 * Splits bytes into lines. A line that is too long, or not UTF-8, becomes an error at its place.
 */
class LineSplitter {
  readonly #lineBytesMax: number;
  readonly #budget: LineBudget;
  readonly #partial = new ChunkBuffer();
  /** Bytes reserved from the budget. */
  #budgetBytes = 0;
  #isTooLong = false;

  constructor(lineBytesMax: number, budget: LineBudget) {
    this.#lineBytesMax = lineBytesMax;
    this.#budget = budget;
  }

  /** Releases the incomplete line. */
  close(): void {
    this.#discard();
  }

  feed(chunk: Buffer): (string | PolycastError)[] {
    const last = chunk.lastIndexOf(LINE_FEED);
    if (last < 0) {
      this.#append(chunk);
      return [];
    }
    const first = chunk.indexOf(LINE_FEED);
    const lines: (string | PolycastError)[] = [this.#finishLine(chunk.subarray(0, first))];
    if (last > first) {
      const whole = chunk.subarray(first + 1, last);
      if (isUtf8(whole)) for (const line of whole.toString('utf8').split('\n')) lines.push(line.trimEnd());
      else for (const line of splitBytes(whole)) lines.push(lineText(line));
    }
    this.#append(chunk.subarray(last + 1));
    return lines;
  }

  end(): (string | PolycastError)[] {
    return this.#partial.bytes === 0 && !this.#isTooLong ? [] : [this.#finishLine(Buffer.alloc(0))];
  }

  #append(bytes: Buffer): void {
    if (bytes.length === 0 || this.#isTooLong) return;
    if (this.#partial.bytes + bytes.length > this.#lineBytesMax) {
      this.#isTooLong = true;
      return this.#discard();
    }
    if (!this.#budget.reserve(bytes.length)) throw tooManyBodies();
    this.#budgetBytes += bytes.length;
    this.#partial.append(bytes);
  }

  #finishLine(bytes: Buffer): string | PolycastError {
    this.#append(bytes);
    const line = this.#isTooLong
      ? new PolycastError('event_too_large', `A line may have at most ${this.#lineBytesMax} bytes.`, {
          limit: this.#lineBytesMax,
        })
      : lineText(this.#partial.take());
    this.#discard();
    this.#isTooLong = false;
    return line;
  }

  #discard(): void {
    this.#partial.clear();
    if (this.#budgetBytes > 0) this.#budget.release(this.#budgetBytes);
    this.#budgetBytes = 0;
  }
}

/**
 * Publishes in order and writes each result at its place. `add` makes its caller wait at the
 * bounds.
 */
class ResultStream {
  readonly #parts: PublishParts;
  readonly #response: ServerResponse;
  /** The trace context of the request. */
  readonly #trace: string | undefined;
  #pending = 0;
  /** Writes the results in the order of their events. */
  #writes: Promise<void> = Promise.resolve();
  #resume: (() => void) | undefined;

  constructor(parts: PublishParts, response: ServerResponse, trace: string | undefined) {
    this.#parts = parts;
    this.#response = response;
    this.#trace = trace;
    response.writeHead(200, [
      ...commonHeadersOf(response),
      'Content-Type',
      'application/x-ndjson',
      'X-Accel-Buffering',
      'no',
    ]);
    response.on('drain', () => this.#resumeIfReady());
    response.on('close', () => this.#resumeIfReady());
  }

  /** Publishes events; resolves when there is room for more. */
  async add(parts: PublishParts, events: readonly ParsedLine[]): Promise<void> {
    const publishes = publishesOf(events);
    const count = Math.max(events.length, publishes.length);
    this.#pending += count;
    const publishing = parts.publisher.publish(publishes, this.#trace);
    this.#writes = this.#writes.then(async () => {
      const published = await publishing;
      this.#pending -= count;
      this.#write(events, published);
      this.#resumeIfReady();
    });
    while (this.#isFull()) await new Promise<void>((resume) => (this.#resume = resume));
  }

  async end(): Promise<void> {
    await this.#writes;
    this.#response.end();
  }

  /** Whether the connection is closed. */
  get isClosed(): boolean {
    return this.#response.destroyed;
  }

  /**
   * Writes an error after the results so far, unless they have reached their bounds, and closes the
   * connection.
   */
  async abort(reason: PolycastError): Promise<void> {
    const response = this.#response;
    if (!this.#isFull()) {
      await this.#writes;
      // Its `close` has been emitted, so nothing would end the wait below.
      if (response.destroyed) return;
      response.end(resultJson(this.#parts.feed.epoch, { ok: false, error: reason }) + '\n');
      await once(response, 'close');
    }
    response.destroy();
  }

  #write(events: readonly ParsedLine[], published: readonly PublishResult[]): void {
    let next = 0;
    let text = '';
    const resultOf = (event: PublishRequest | PolycastError): PublishResult =>
      event instanceof PolycastError ? { ok: false, error: event } : (published[next++] as PublishResult);
    for (const event of events) {
      text += isGroup(event)
        ? groupResultJson(this.#parts.feed.epoch, event.map(resultOf))
        : resultJson(this.#parts.feed.epoch, resultOf(event));
      text += '\n';
    }
    this.#response.write(text);
  }

  #isFull(): boolean {
    if (this.#response.destroyed) return false;
    return this.#pending > PENDING_EVENTS_MAX || this.#response.writableLength > UNREAD_BYTES_MAX;
  }

  #resumeIfReady(): void {
    if (this.#isFull()) return;
    this.#resume?.();
    this.#resume = undefined;
  }
}

/** A parsed line: an event, its error, or a list of both if it goes to several users. */
type ParsedLine = PublishRequest | PolycastError | readonly (PublishRequest | PolycastError)[];

function isGroup(event: ParsedLine): event is readonly (PublishRequest | PolycastError)[] {
  return Array.isArray(event);
}

function publishesOf(events: readonly ParsedLine[]): PublishRequest[] {
  const publishes: PublishRequest[] = [];
  for (const event of events) {
    if (isGroup(event)) publishes.push(...publishesOf(event));
    else if (!(event instanceof PolycastError)) publishes.push(event);
  }
  return publishes;
}

async function authorizeAll(
  events: readonly ParsedLine[],
  publisher: RequestPublisher,
): Promise<readonly ParsedLine[]> {
  const permitted: ParsedLine[] = [];
  for (const event of events) {
    if (isGroup(event))
      permitted.push((await authorizeAll(event, publisher)) as readonly (PublishRequest | PolycastError)[]);
    else permitted.push(event instanceof PolycastError ? event : await authorizePublish(publisher, event));
  }
  return permitted;
}

function* splitBytes(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
    yield bytes.subarray(start, end);
    start = end + 1;
  }
  yield bytes.subarray(start);
}

function lineText(bytes: Buffer): string | PolycastError {
  return isUtf8(bytes) ? bytes.toString('utf8').trimEnd() : new PolycastError('invalid_utf8');
}
