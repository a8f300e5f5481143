import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { PolycastError } from '@polycast/protocol';
import type { ServerResponse } from 'node:http';
import type { PublishRequest, PublishResult } from '../core/publish.ts';
import { ticksOf } from '../core/wheel.ts';
import { AuthorizedRequest } from './authorized-request.ts';
import { attempt } from './cloudevents.ts';
import { Pieces } from './pieces.ts';
import { permit, stillPermitted, type By } from './publish-permission.ts';
import { groupText, resultText } from './publish-result.ts';
import { Deadline } from './request-body.ts';
import { corsOf } from './respond.ts';
import type { Services } from './services.ts';

/** Reading stops while this many events wait to be durable… */
const PENDING_EVENTS_MAX = 8192;
/** …or the client has left this many bytes of results unread. One that reads nothing until it has sent all is stopped there. */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024;
const LINE_FEED = 10;

/**
 * NDJSON (PROTOCOL.md section 8.1): lines are published as they come, in order, and their results sent as they become durable. What is
 * held is bounded, however long the body is.
 */
export async function publishLines(
  services: Services,
  by: By,
  understand: (line: string, index: number) => PublishRequest | readonly PublishRequest[],
): Promise<void> {
  const { wheel, settings } = services;
  const { client } = by.request;
  const lines = new LineSplitter(settings.bodyBytesMax, {
    take: (bytes) => services.bodies.take(bytes, client),
    giveBack: (bytes) => services.bodies.giveBack(bytes, client),
  });
  const results = new ResultStream(services, AuthorizedRequest.responseOf(by.request));
  let index = 0;
  // One that pauses too long is told so behind its results; one that reads none of them for so long hears nothing any more.
  const deadline = new Deadline(() => void results.giveUp(new PolycastError('request_timeout')));
  const take = async (texts: readonly (string | PolycastError)[]): Promise<void> => {
    const events: LineEvent[] = [];
    for (const text of texts) {
      if (text === '') continue;
      const at = index++;
      events.push(typeof text === 'string' ? attempt(() => understand(text, at)) : text);
    }
    if (events.length === 0) return;
    const permitted = await permitAll(events, by);
    await results.add(services, stillPermitted(by, permitted));
  };
  const patienceTicks = ticksOf(settings.bodyTimeoutMs);
  wheel.schedule(deadline, patienceTicks);
  try {
    for await (const chunk of by.request.pieces()) {
      wheel.schedule(deadline, patienceTicks);
      await take(lines.feed(chunk));
      wheel.schedule(deadline, patienceTicks);
    }
    await take(lines.end());
    await results.end();
  } catch (error) {
    // Whoever has gone, or was shown out, has nobody to tell: what came whole is published all the same.
    if (results.isOver) return;
    if (!(error instanceof PolycastError)) throw error;
    await results.giveUp(error);
  } finally {
    wheel.cancel(deadline);
    lines.close();
  }
}

/** What lines that have not come whole may hold. */
interface LineBudget {
  take(bytes: number): boolean;
  giveBack(bytes: number): void;
}

/** Splits bytes into lines; a line that is too long, or not UTF-8, is an error in its place. */
class LineSplitter {
  readonly #lineBytesMax: number;
  readonly #budget: LineBudget;
  readonly #rest = new Pieces();
  /** Of the budget. */
  #held = 0;
  #tooLong = false;

  constructor(lineBytesMax: number, budget: LineBudget) {
    this.#lineBytesMax = lineBytesMax;
    this.#budget = budget;
  }

  /** What it holds is let go of. */
  close(): void {
    this.#drop();
  }

  feed(chunk: Buffer): (string | PolycastError)[] {
    const last = chunk.lastIndexOf(LINE_FEED);
    if (last < 0) {
      this.#keep(chunk);
      return [];
    }
    const first = chunk.indexOf(LINE_FEED);
    const lines: (string | PolycastError)[] = [this.#joined(chunk.subarray(0, first))];
    if (last > first) {
      const whole = chunk.subarray(first + 1, last);
      if (isUtf8(whole)) for (const line of whole.toString('utf8').split('\n')) lines.push(line.trimEnd());
      else for (const line of splitBytes(whole)) lines.push(textOf(line));
    }
    this.#keep(chunk.subarray(last + 1));
    return lines;
  }

  end(): (string | PolycastError)[] {
    return this.#rest.bytes === 0 && !this.#tooLong ? [] : [this.#joined(Buffer.alloc(0))];
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0 || this.#tooLong) return;
    if (this.#rest.bytes + bytes.length > this.#lineBytesMax) {
      this.#tooLong = true;
      return this.#drop();
    }
    if (!this.#budget.take(bytes.length))
      throw new PolycastError('overloaded', 'Too many bodies are being sent at once.', { retryAfterMs: 1000 });
    this.#held += bytes.length;
    this.#rest.add(bytes);
  }

  #joined(bytes: Buffer): string | PolycastError {
    this.#keep(bytes);
    const line = this.#tooLong
      ? new PolycastError('event_too_large', `A line has at most ${this.#lineBytesMax} bytes.`, {
          limit: this.#lineBytesMax,
        })
      : textOf(this.#rest.take());
    this.#drop();
    this.#tooLong = false;
    return line;
  }

  #drop(): void {
    this.#rest.clear();
    if (this.#held > 0) this.#budget.giveBack(this.#held);
    this.#held = 0;
  }
}

/** Publishes in order and writes each result in its place; tells the reader when to wait. */
class ResultStream {
  readonly #services: Services;
  readonly #response: ServerResponse;
  #pending = 0;
  /** Results are written in the order in which their events came. */
  #written: Promise<void> = Promise.resolve();
  #room: (() => void) | undefined;

  constructor(services: Services, response: ServerResponse) {
    this.#services = services;
    this.#response = response;
    response.writeHead(200, [...corsOf(response), 'Content-Type', 'application/x-ndjson', 'X-Accel-Buffering', 'no']);
    response.on('drain', () => this.#makeRoom());
    response.on('close', () => this.#makeRoom());
  }

  /** Resolves when more may come. */
  async add(services: Services, events: readonly LineEvent[]): Promise<void> {
    const publishes = publishesOf(events);
    const count = Math.max(events.length, publishes.length);
    this.#pending += count;
    const publishing = services.publisher.publish(publishes);
    this.#written = this.#written.then(async () => {
      const published = await publishing;
      this.#pending -= count;
      this.#write(events, published);
      this.#makeRoom();
    });
    while (this.#isFull()) await new Promise<void>((room) => (this.#room = room));
  }

  async end(): Promise<void> {
    await this.#written;
    this.#response.end();
  }

  /** Whether nothing can be told any more. */
  get isOver(): boolean {
    return this.#response.destroyed;
  }

  /** Says why behind the results so far, and lets go of the connection. */
  async giveUp(reason: PolycastError): Promise<void> {
    const response = this.#response;
    if (!this.#isFull()) {
      await this.#written;
      response.end(resultText(this.#services, { ok: false, error: reason }) + '\n');
      await once(response, 'close');
    }
    response.destroy();
  }

  #write(events: readonly LineEvent[], published: readonly PublishResult[]): void {
    let next = 0;
    let text = '';
    const resultOf = (event: PublishRequest | PolycastError): PublishResult =>
      event instanceof PolycastError ? { ok: false, error: event } : (published[next++] as PublishResult);
    for (const event of events) {
      text += isGroup(event)
        ? groupText(this.#services, event.map(resultOf))
        : resultText(this.#services, resultOf(event));
      text += '\n';
    }
    this.#response.write(text);
  }

  #isFull(): boolean {
    if (this.#response.destroyed) return false;
    return this.#pending > PENDING_EVENTS_MAX || this.#response.writableLength > UNREAD_BYTES_MAX;
  }

  #makeRoom(): void {
    if (this.#isFull()) return;
    this.#room?.();
    this.#room = undefined;
  }
}

/** What a line asks for: an event, one for each of several, or why it is refused; so may each of several be. */
type LineEvent = PublishRequest | PolycastError | readonly (PublishRequest | PolycastError)[];

function isGroup(event: LineEvent): event is readonly (PublishRequest | PolycastError)[] {
  return Array.isArray(event);
}

function publishesOf(events: readonly LineEvent[]): PublishRequest[] {
  const publishes: PublishRequest[] = [];
  for (const event of events) {
    if (isGroup(event)) publishes.push(...publishesOf(event));
    else if (!(event instanceof PolycastError)) publishes.push(event);
  }
  return publishes;
}

async function permitAll(events: readonly LineEvent[], by: By): Promise<readonly LineEvent[]> {
  const permitted: LineEvent[] = [];
  for (const event of events) {
    if (isGroup(event)) permitted.push((await permitAll(event, by)) as readonly (PublishRequest | PolycastError)[]);
    else permitted.push(event instanceof PolycastError ? event : await permit(by, event));
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

function textOf(bytes: Buffer): string | PolycastError {
  return isUtf8(bytes) ? bytes.toString('utf8').trimEnd() : new PolycastError('invalid_utf8');
}
