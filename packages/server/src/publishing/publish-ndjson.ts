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
import { groupResultJson, resultJson } from './publish-result.ts';
import { Deadline } from '../http/body/request-body.ts';
import { commonHeadersOf } from '../http/respond.ts';
import type { Services } from '../http/services.ts';

/** Reading stops while this many events wait to be durable… */
const PENDING_EVENTS_MAX = 8192;
/** …or the client has left this many bytes of results unread. One that reads nothing until it has sent all is stopped there. */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024;
const LINE_FEED = 10;

/**
 * NDJSON (PROTOCOL.md section 8.1): lines are published as they come, in order, and their results sent as they become durable. What is
 * held is bounded, however long the body is.
 */
export async function publishNdjson(
  services: Services,
  publisher: RequestPublisher,
  parseLine: (line: string, index: number) => PublishRequest | readonly PublishRequest[],
): Promise<void> {
  const { wheel, settings } = services;
  const { quotaOwner: client } = publisher.request;
  const lines = new LineSplitter(settings.bodyBytesMax, {
    reserve: (bytes) => services.bodyBudget.tryReserve(bytes, client),
    release: (bytes) => services.bodyBudget.release(bytes, client),
  });
  const results = new ResultStream(services, AuthorizedRequest.responseOf(publisher.request));
  let index = 0;
  // One that pauses too long is told so behind its results; one that reads none of them for so long hears nothing any more.
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
    await results.add(services, recheckPublisher(publisher, permitted));
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
    // Whoever has gone, or was shown out, has nobody to tell: what came whole is published all the same.
    if (results.isClosed) return;
    if (!(error instanceof PolycastError)) throw error;
    await results.abort(error);
  } finally {
    wheel.cancel(deadline);
    lines.close();
  }
}

/** What lines that have not come whole may hold. */
interface LineBudget {
  reserve(bytes: number): boolean;
  release(bytes: number): void;
}

/** Splits bytes into lines; a line that is too long, or not UTF-8, is an error in its place. */
class LineSplitter {
  readonly #lineBytesMax: number;
  readonly #budget: LineBudget;
  readonly #partial = new ChunkBuffer();
  /** Of the budget. */
  #budgetBytes = 0;
  #isTooLong = false;

  constructor(lineBytesMax: number, budget: LineBudget) {
    this.#lineBytesMax = lineBytesMax;
    this.#budget = budget;
  }

  /** What it holds is let go of. */
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
    if (!this.#budget.reserve(bytes.length))
      throw new PolycastError('overloaded', 'Too many bodies are being sent at once.', { retryAfterMs: 1000 });
    this.#budgetBytes += bytes.length;
    this.#partial.append(bytes);
  }

  #finishLine(bytes: Buffer): string | PolycastError {
    this.#append(bytes);
    const line = this.#isTooLong
      ? new PolycastError('event_too_large', `A line has at most ${this.#lineBytesMax} bytes.`, {
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

/** Publishes in order and writes each result in its place; tells the reader when to wait. */
class ResultStream {
  readonly #services: Services;
  readonly #response: ServerResponse;
  #pending = 0;
  /** Results are written in the order in which their events came. */
  #writes: Promise<void> = Promise.resolve();
  #resume: (() => void) | undefined;

  constructor(services: Services, response: ServerResponse) {
    this.#services = services;
    this.#response = response;
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

  /** Resolves when more may come. */
  async add(services: Services, events: readonly ParsedLine[]): Promise<void> {
    const publishes = publishesOf(events);
    const count = Math.max(events.length, publishes.length);
    this.#pending += count;
    const publishing = services.publisher.publish(publishes);
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

  /** Whether nothing can be told any more. */
  get isClosed(): boolean {
    return this.#response.destroyed;
  }

  /** Says why behind the results so far, and lets go of the connection. */
  async abort(reason: PolycastError): Promise<void> {
    const response = this.#response;
    if (!this.#isFull()) {
      await this.#writes;
      response.end(resultJson(this.#services, { ok: false, error: reason }) + '\n');
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
        ? groupResultJson(this.#services, event.map(resultOf))
        : resultJson(this.#services, resultOf(event));
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

/** What a line asks for: an event, one for each of several, or why it is refused; so may each of several be. */
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
