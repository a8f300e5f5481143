import { endOfString } from '@polycast/protocol';
import type { Batch } from './batch.ts';

/** The frames of a batch that are left, and how many. */
export interface Others {
  readonly bytes: Uint8Array;
  readonly count: number;
}

/**
 * A batch without what one client has published itself (PROTOCOL.md section 13.7). Whoever leaves nothing out never comes here;
 * whoever does shares the frames of all batches in which nothing is its own, and the search for that is done once a batch.
 * @param mark the author as the event's JSON names it (`authorship`), one character a byte
 */
export function withoutOwn(batch: Batch, mark: string): Others {
  const own = authorsOf(batch)?.get(mark);
  if (own === undefined) return batch;
  const { bytes, framing } = batch;
  const [contentStart, contentEnd] = contentOf(batch);
  const leftBytes = own.reduce((length, [start, end]) => length - (end - start), contentEnd - contentStart);
  if (leftBytes === 0) return { bytes: NO_BYTES, count: 0 };
  const { enclosure } = framing;
  let at = enclosure?.headBytes(leftBytes) ?? 0;
  const left = new Uint8Array(at + leftBytes + (enclosure?.tailBytes ?? 0));
  enclosure?.write(left, leftBytes);
  let from = contentStart;
  for (const [start, end] of [...own, [contentEnd, contentEnd] as const]) {
    left.set(bytes.subarray(from, start), at);
    at += start - from;
    from = end;
  }
  return { bytes: left, count: batch.count - own.length };
}

const NO_BYTES = new Uint8Array();

/** From where to where a frame stands. */
type Place = readonly [start: number, end: number];

const KNOWN = new WeakMap<Batch, ReadonlyMap<string, readonly Place[]> | undefined>();

/** The frames by their authors; `undefined` when none has one. */
function authorsOf(batch: Batch): ReadonlyMap<string, readonly Place[]> | undefined {
  if (KNOWN.has(batch)) return KNOWN.get(batch);
  const { framing, bytes } = batch;
  const [contentStart, contentEnd] = contentOf(batch);
  let authors: Map<string, Place[]> | undefined;
  for (let start = contentStart; start < contentEnd;) {
    const end = framing.endAt(bytes, start);
    const mark = markIn(bytes, framing.jsonAt(bytes, start));
    if (mark !== undefined) {
      authors ??= new Map();
      const places = authors.get(mark);
      if (places === undefined) authors.set(mark, [[start, end]]);
      else places.push([start, end]);
    }
    start = end;
  }
  KNOWN.set(batch, authors);
  return authors;
}

/** From where to where the frames stand, within what is around them. */
function contentOf({ framing: { enclosure }, bytes }: Batch): Place {
  if (enclosure === undefined || bytes.length === 0) return [0, bytes.length];
  return [enclosure.contentAt(bytes), bytes.length - enclosure.tailBytes];
}

/** What an event says of its author, from `user` to the end of `origin`; `undefined` without an origin. The order of members is fixed. */
function markIn(bytes: Uint8Array, jsonAt: number): string | undefined {
  // Behind `{"id":"<cursor>"`.
  let at = jsonAt + 1;
  let markAt = 0;
  for (const name of HEAD) {
    if (!hasMember(bytes, at, name)) {
      if (name === 'origin') return undefined;
      continue;
    }
    if (markAt === 0 && (name === 'user' || name === 'origin')) markAt = at;
    at = endOfString(bytes, at + name.length + 3) + 2;
  }
  return latin1(bytes, markAt, at - 1);
}

/** The members that can stand before the data, in their order; all are strings. */
const HEAD = ['id', 'channel', 'type', 'time', 'user', 'origin'] as const;

/** Whether `"name":"` stands there. */
function hasMember(bytes: Uint8Array, at: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (bytes[at + 1 + index] !== name.charCodeAt(index)) return false;
  }
  return bytes[at] === 34 && bytes[at + name.length + 1] === 34 && bytes[at + name.length + 3] === 34;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}
