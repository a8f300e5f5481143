import { endOfString } from '@polycast/protocol';
import type { Batch } from './batch.ts';

/** The remaining frames of a batch, and their number. */
export interface RemainingFrames {
  readonly bytes: Uint8Array;
  readonly count: number;
}

/**
 * Removes the events that one client published itself from a batch (PROTOCOL.md section 13.7).
 * Called only for clients that leave out their own events. They share the frames of all batches
 * without an own event. The search for authors runs once a batch.
 * @param author the author as in the event's JSON (`authorMembers`), one character a byte
 */
export function withoutOwnEvents(batch: Batch, author: string): RemainingFrames {
  const ownRanges = rangesByAuthor(batch)?.get(author);
  if (ownRanges === undefined) return batch;
  const { bytes, framing } = batch;
  const [contentStart, contentEnd] = contentRange(batch);
  const remainingBytes = ownRanges.reduce((length, [start, end]) => length - (end - start), contentEnd - contentStart);
  if (remainingBytes === 0) return { bytes: EMPTY, count: 0 };
  const { wrapper: enclosure } = framing;
  let at = enclosure?.prefixBytes(remainingBytes) ?? 0;
  const remaining = new Uint8Array(at + remainingBytes + (enclosure?.suffixBytes ?? 0));
  enclosure?.write(remaining, remainingBytes);
  let from = contentStart;
  for (const [start, end] of [...ownRanges, [contentEnd, contentEnd] as const]) {
    remaining.set(bytes.subarray(from, start), at);
    at += start - from;
    from = end;
  }
  return { bytes: remaining, count: batch.count - ownRanges.length };
}

const EMPTY = new Uint8Array();

/** The byte range of a frame. */
type ByteRange = readonly [start: number, end: number];

const RANGES_BY_AUTHOR = new WeakMap<Batch, ReadonlyMap<string, readonly ByteRange[]> | undefined>();

/** The frames of each author. `undefined` when no event has an author. */
function rangesByAuthor(batch: Batch): ReadonlyMap<string, readonly ByteRange[]> | undefined {
  if (RANGES_BY_AUTHOR.has(batch)) return RANGES_BY_AUTHOR.get(batch);
  const { framing, bytes } = batch;
  const [contentStart, contentEnd] = contentRange(batch);
  let authors: Map<string, ByteRange[]> | undefined;
  for (let start = contentStart; start < contentEnd;) {
    const end = framing.frameEnd(bytes, start);
    const author = authorAt(bytes, framing.jsonOffset(bytes, start));
    if (author !== undefined) {
      authors ??= new Map();
      const ranges = authors.get(author);
      if (ranges === undefined) authors.set(author, [[start, end]]);
      else ranges.push([start, end]);
    }
    start = end;
  }
  RANGES_BY_AUTHOR.set(batch, authors);
  return authors;
}

/** The byte range of all frames, without the wrapper around them. */
function contentRange({ framing: { wrapper: enclosure }, bytes }: Batch): ByteRange {
  if (enclosure === undefined || bytes.length === 0) return [0, bytes.length];
  return [enclosure.contentOffset(bytes), bytes.length - enclosure.suffixBytes];
}

/**
 * The author's members in an event, from `user` to the end of `origin`. `undefined` without an
 * origin. The order of members is fixed.
 */
function authorAt(bytes: Uint8Array, jsonAt: number): string | undefined {
  // Behind `{"id":"<cursor>"`.
  let at = jsonAt + 1;
  let authorStart = 0;
  for (const name of MEMBERS_BEFORE_DATA) {
    if (!hasMember(bytes, at, name)) {
      if (name === 'origin') return undefined;
      continue;
    }
    if (authorStart === 0 && (name === 'user' || name === 'origin')) authorStart = at;
    at = endOfString(bytes, at + name.length + 3) + 2;
  }
  return latin1(bytes, authorStart, at - 1);
}

/** The members that may come before the data, in their order. All are strings. */
const MEMBERS_BEFORE_DATA = ['id', 'channel', 'type', 'time', 'user', 'origin'] as const;

/** Whether `"name":"` is at this offset. */
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
