import { checkChannel, encodeCursor, jsonFraming, PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { joinFrames } from '../core/batch.ts';
import type { Interest } from '../core/interest.ts';
import type { Position, ReadPage, StoredRecord } from '../core/ports.ts';
import type { Action, Principal } from '../core/principal.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { startAfter } from '../core/start.ts';
import { respondCompressed } from './compress.ts';
import { namesTag, tagsIn } from './conditions.ts';
import { notedAddress } from './consumer.ts';
import { allow, checkStanding, identify } from './permission.ts';
import { invalid, number, parameters } from './events-query.ts';
import { newestEvent } from '../core/newest-event.ts';
import { HeldAnswer } from './held-answer.ts';
import { respond, respondEmpty } from './respond.ts';
import type { Services } from './services.ts';
import { storedContent } from './stored-content.ts';

/** `GET /v1/channels/{c}` (PROTOCOL.md section 10.1): the newest event's data, as it was published. */
export async function readChannel(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  query: string,
): Promise<void> {
  const channel = checkChannel(name);
  const values = only(query, ['wait', 'token']);
  const waitSeconds = number(values, 'wait', 0, services.settings.pollWaitMaxSeconds) ?? 0;
  const asking = await permitted(services, request, ['subscribe'], channel, values.get('token'));
  const { interest } = asking;
  const { head } = services.feed;
  let latest = await newestEvent(services.feed, interest);
  const before = latest?.position;
  const isKnown = knows(services, request.headers['if-none-match'], latest);
  if (waitSeconds > 0 && isKnown) {
    checkStanding(services, asking.principal);
    services.admission.admit(asking.principal, asking.address);
    await newsOrTimeout(services, response, asking, before ?? head, waitSeconds);
    if (response.destroyed) return;
    latest = await newestEvent(services.feed, interest);
  }
  if (latest === undefined) throw new PolycastError('channel_empty');
  const headers = headersOf(services, latest);
  if (isKnown && latest.position === before) return respondEmpty(response, 304, headers);
  const { mediaType, bytes } = storedContent(latest.body);
  respond(response, 200, mediaType, bytes, headers);
}

/** `GET /v1/channels/{c}/history` (PROTOCOL.md section 10.2). */
export async function readHistory(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  query: string,
): Promise<void> {
  const channel = checkChannel(name);
  const values = only(query, ['limit', 'before', 'after', 'token']);
  const limit = number(values, 'limit', 1, 1000) ?? 100;
  // Nobody reads back what they could not subscribe to.
  const { interest } = await permitted(services, request, ['subscribe', 'history'], channel, values.get('token'));
  const { feed, log } = services;
  const after = values.get('after');
  const before = values.get('before');
  if (after !== undefined && before !== undefined) throw invalid('before', 'cannot be combined with after');
  const start = startAfter(after ?? before ?? 'now', log.state);
  const gaps = start.gap === undefined ? [] : [start.gap];
  const page =
    after === undefined
      ? await pageBefore(services, interest, start.position, limit, before !== undefined && before !== 'now')
      : await pageAfter(services, interest, start.position, limit);
  if (page.gapThrough > start.excusedThrough)
    gaps.push({
      from: encodeCursor(feed.epoch, start.position),
      to: encodeCursor(feed.epoch, page.gapThrough),
      reason: 'retention',
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
  const headers = ['Cache-Control', 'no-cache', ...(links.length > 0 ? ['Link', links.join(', ')] : [])];
  respondCompressed(
    response,
    200,
    'application/json',
    [Buffer.from('{"events":['), events.subarray(0, Math.max(0, events.length - 1)), Buffer.from(tail)],
    headers,
  );
}

interface HistoryPage {
  /** The oldest first. */
  readonly records: readonly StoredRecord[];
  readonly hasPrevious: boolean;
  readonly hasNext: boolean;
  readonly gapThrough: Position;
}

/** One more than the page is asked for, to know whether there is another. */
async function pageAfter(services: Services, interest: Interest, after: Position, limit: number): Promise<HistoryPage> {
  const page = await services.feed.read(
    interest,
    after,
    services.feed.head,
    'forward',
    limit + 1,
    services.settings.pollBytesMax,
  );
  const records = page.records.slice(0, limit);
  const hasNext = page.records.length > records.length || page.reached < services.feed.head;
  return {
    records,
    hasPrevious: after > 0,
    hasNext,
    gapThrough: page.trimmedThrough > after ? page.trimmedThrough : 0,
  };
}

async function pageBefore(
  services: Services,
  interest: Interest,
  before: Position,
  limit: number,
  exclusive: boolean,
): Promise<HistoryPage> {
  const through = exclusive ? before - 1 : before;
  const page: ReadPage = await services.feed.read(
    interest,
    0,
    through,
    'backward',
    limit + 1,
    services.settings.pollBytesMax,
  );
  const records = page.records.slice(0, limit).toReversed();
  const last = records.at(-1);
  const hasNext = exclusive && last !== undefined && (await hasAfter(services, interest, last.position));
  return { records, hasPrevious: page.records.length > limit || page.reached > 0, hasNext, gapThrough: 0 };
}

async function hasAfter({ feed }: Services, interest: Interest, position: Position): Promise<boolean> {
  const isQuiet = feed.isQuiet(interest, position);
  if (isQuiet !== undefined) return !isQuiet;
  const page = await feed.read(interest, position, feed.head, 'forward', 1, 1);
  return page.records.length > 0;
}

/** Resolves when the interest has something after a position, when the time is over, or when one of both sides goes. */
function newsOrTimeout(
  services: Services,
  response: ServerResponse,
  asking: Asking,
  after: Position,
  waitSeconds: number,
): Promise<void> {
  return new Promise((resolve) => new BlockingQuery(services, response, asking, after, resolve).start(waitSeconds));
}

class BlockingQuery extends HeldAnswer implements Sink {
  readonly transport = 'long_poll';
  protected readonly reader: Reader;
  readonly #over: () => void;

  constructor(
    services: Services,
    response: ServerResponse,
    { principal, address, interest }: Asking,
    after: Position,
    over: () => void,
  ) {
    super(services, response, { principal, address });
    this.reader = new Reader(services.feed, this, interest, jsonFraming, after, 1);
    this.#over = over;
  }

  start(waitSeconds: number): void {
    this.services.sessions.add(this);
    this.wait(waitSeconds);
    this.response.on('close', this.#end);
    this.reader.start();
  }

  /** The news is all that it waits for; what it is, is read again. */
  deliver(): boolean {
    this.#end();
    return false;
  }

  caughtUp(): void {}

  failed(): void {
    this.#end();
  }

  due(): void {
    this.#end();
  }

  readonly #end = (): void => {
    this.reader.close();
    this.services.wheel.cancel(this);
    this.services.sessions.remove(this);
    this.response.off('close', this.#end);
    this.#over();
  };
}

/** Who asks, and for what. */
interface Asking {
  readonly principal: Principal;
  readonly address: string | undefined;
  readonly interest: Interest;
}

async function permitted(
  services: Services,
  request: IncomingMessage,
  actions: readonly Action[],
  channel: string,
  token: string | undefined,
): Promise<Asking> {
  const principal = await identify(services, request, token);
  for (const action of actions) await allow(services, principal, action, [channel]);
  return { principal, address: notedAddress(services, request), interest: services.feed.interest([channel]) };
}

/**
 * Whether who asks has what there is, by `If-None-Match`. Of a channel without an event nothing is known, and that is what the first
 * one ends.
 */
function knows(services: Services, ifNoneMatch: string | undefined, latest: StoredRecord | undefined): boolean {
  if (latest === undefined) return ifNoneMatch === undefined || tagsIn(ifNoneMatch) === '*';
  return namesTag(ifNoneMatch, etagOf(services, latest));
}

function etagOf({ feed }: Services, { position }: StoredRecord): string {
  return `"${encodeCursor(feed.epoch, position)}"`;
}

function headersOf(services: Services, record: StoredRecord): string[] {
  // Relative unless it is known where the hub is: what a request names as its host may be a proxy's.
  const base = services.settings.publicUrl ?? '';
  const headers = [
    'ETag',
    etagOf(services, record),
    'Last-Modified',
    new Date(record.timeMs).toUTCString(),
    'Cache-Control',
    'no-cache',
    'Content-Security-Policy',
    "default-src 'none'; sandbox; frame-ancestors 'none'",
    // What was published may be an image of the site whose hub this is.
    'Cross-Origin-Resource-Policy',
    'same-site',
    'Link',
    `<${base}/v1/channels/${record.channel}>; rel="self", <${base}/v1/websub>; rel="hub"`,
  ];
  if (record.type !== undefined && !CONTROLS.test(record.type)) headers.push('Polycast-Type', inUtf8(record.type));
  return headers;
}

// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f]/;

/** A header's text as Node writes it, which is one byte a character. */
function inUtf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function only(query: string, names: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of parameters(query)) {
    if (!names.includes(name)) throw invalid(name.slice(0, 64), 'is not a parameter of this address');
    if (values.has(name)) throw invalid(name, 'may be given once');
    values.set(name, value);
  }
  return values;
}
