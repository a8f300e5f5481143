import { checkChannel, encodeCursor, jsonFraming, type Gap, type GapReason } from '@polycast/protocol';
import { joinFrames } from '../core/events/batch.ts';
import { gapOf } from '../core/log-reader.ts';
import type { Interest } from '../core/interests/interest.ts';
import type { Position, StoredRecord } from '../core/ports.ts';
import { reachCursor, resolveStart } from '../core/start.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import { readQuery } from '../http/query-parameter.ts';
import { invalidParameter } from '../http/refusals.ts';
import { authorizedInterest } from './channel-route.ts';
import { TIME_ADVICE } from './events-query.ts';
import { HISTORY_LIMIT, HISTORY_PARAMETERS } from './descriptions.ts';
import type { ReadParts } from './stream-parts.ts';

/** `GET /v1/channels/{c}/history` (PROTOCOL.md section 10.2). */
export async function readHistory(parts: ReadParts, request: AuthorizedRequest, name: string): Promise<void> {
  const channel = checkChannel(name);
  const values = readQuery(request.query, HISTORY_PARAMETERS, TIME_ADVICE);
  const limit = HISTORY_LIMIT.read(values);
  // A caller may not read the history of a channel that it may not subscribe to.
  const interest = await authorizedInterest(parts, request, ['subscribe', 'history'], channel);
  const after = values.get('after');
  const before = values.get('before');
  if (after !== undefined && before !== undefined) throw invalidParameter('before', 'cannot be combined with after');
  const reaching = reachCursor(parts.log, after ?? before);
  if (reaching !== undefined) await reaching;
  const start = resolveStart(after ?? before ?? 'now', parts.log.state, after === undefined ? 'before' : 'after');
  const wanted: PageRequest = { interest, limit, isWanted: () => !request.isClosed };
  const page =
    after === undefined
      ? await pageBefore(parts, wanted, start.position, before !== undefined && before !== 'now')
      : await pageAfter(parts, wanted, start.position);
  const gaps = start.gap === undefined ? [] : [start.gap];
  const { epoch } = parts.feed;
  const { gapFrom, gapThrough, gapReason: reason } = page;
  if (gapThrough > (reason === 'corrupt' ? 0 : start.suppressGapThrough))
    gaps.push({ from: encodeCursor(epoch, gapFrom), to: encodeCursor(epoch, gapThrough), reason });
  respondPage(parts, request, `/v1/channels/${channel}/history?limit=${limit}`, page, gaps);
}

/** @param here the address of the page, without its start */
function respondPage(
  { cacheHeaders, feed: { epoch } }: ReadParts,
  request: AuthorizedRequest,
  here: string,
  { records, hasPrevious, hasNext }: HistoryPage,
  gaps: readonly Gap[],
): void {
  const previous = cursorOf(epoch, hasPrevious ? records[0] : undefined);
  const next = cursorOf(epoch, hasNext ? records.at(-1) : undefined);
  const events = joinFrames(jsonFraming, epoch, records, Buffer.allocUnsafe);
  const tail = `],"previous":${JSON.stringify(previous)},"next":${JSON.stringify(next)},"gaps":${JSON.stringify(gaps)}}`;
  const links = [];
  if (previous !== null) links.push(`<${here}&before=${previous}>; rel="prev"`);
  if (next !== null) links.push(`<${here}&after=${next}>; rel="next"`);
  const headers = [...cacheHeaders.pairs(request.principal, 'other', 'asked')];
  if (links.length > 0) headers.push('Link', links.join(', '));
  // The framing leaves a comma after each event.
  const list = events.subarray(0, Math.max(0, events.length - 1));
  request.respondCompressed([Buffer.from('{"events":['), list, Buffer.from(tail)], headers);
}

function cursorOf(epoch: string, record: StoredRecord | undefined): string | null {
  return record === undefined ? null : encodeCursor(epoch, record.position);
}

interface PageRequest {
  readonly interest: Interest;
  readonly limit: number;
  /** Whether the client still waits. */
  readonly isWanted: () => boolean;
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
  { feed, settings: { pollBytesMax } }: ReadParts,
  { interest, limit, isWanted }: PageRequest,
  after: Position,
): Promise<HistoryPage> {
  const page = await feed.read(interest, after, feed.head, 'forward', limit + 1, pollBytesMax, isWanted);
  const records = page.records.slice(0, limit);
  const hasNext = page.records.length > records.length || page.reached < feed.head;
  return { records, hasPrevious: after > 0, hasNext, gapFrom: after, ...gapOf(page, after) };
}

/** @param isExclusive whether `before` is an event of the following page */
async function pageBefore(
  parts: ReadParts,
  wanted: PageRequest,
  before: Position,
  isExclusive: boolean,
): Promise<HistoryPage> {
  const { feed, settings } = parts;
  const { interest, limit, isWanted } = wanted;
  const through = isExclusive ? before - 1 : before;
  const page = await feed.read(interest, 0, through, 'backward', limit + 1, settings.pollBytesMax, isWanted);
  const records = page.records.slice(0, limit).toReversed();
  const last = records.at(-1);
  return {
    records,
    hasPrevious: page.records.length > limit || page.reached > 0,
    hasNext: isExclusive && last !== undefined && (await hasEventsAfter(parts, wanted, last.position)),
    gapFrom: page.reached,
    gapThrough: page.corruptThrough > page.reached ? page.corruptThrough : 0,
    gapReason: 'corrupt',
  };
}

async function hasEventsAfter(
  { feed }: ReadParts,
  { interest, isWanted }: PageRequest,
  position: Position,
): Promise<boolean> {
  const isQuiet = feed.isQuiet(interest, position);
  if (isQuiet !== undefined) return !isQuiet;
  const page = await feed.read(interest, position, feed.head, 'forward', 1, 1, isWanted);
  return page.records.length > 0;
}
