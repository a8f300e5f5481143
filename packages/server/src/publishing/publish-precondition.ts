import { encodeCursor, parseCursor } from '@polycast/protocol';
import type { Feed } from '../core/feed.ts';
import type { Position } from '../core/ports.ts';
import { cursorOfTag } from '../core/events/entity-tag.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import { parseEntityTags } from '../http/headers/conditional-headers.ts';
import { invalidHeader } from '../http/refusals.ts';
import { newestReadable } from '../core/newest-event.ts';

/**
 * Reads a publish's `ifMatch` from headers (PROTOCOL.md section 8.3): `If-Match` with a cursor,
 * quoted or bare, with several, or with `*`; or `If-None-Match: *`. A precondition that the hub
 * cannot check is an error.
 * @throws PolycastError `invalid_header`
 */
export function preconditionOf(
  feed: Feed,
  request: AuthorizedRequest,
  channel: string,
): string | undefined | Promise<string> {
  const ifMatch = request.header('if-match');
  const ifNoneMatch = request.header('if-none-match');
  if (ifNoneMatch !== undefined) {
    if (ifMatch === undefined && parseEntityTags(ifNoneMatch) === '*') return 'none';
    const why = ifMatch === undefined ? 'can be *' : 'and if-match exclude each other';
    throw invalidHeader('if-none-match', `if-none-match: ${why}.`);
  }
  if (ifMatch === undefined) return undefined;
  const tags = parseEntityTags(ifMatch);
  if (tags === '*') return '*';
  return tags.length === 1
    ? (tags[0] as string)
    : matchingTag(feed, tags.map(cursorOfTag), channel, () => !request.isClosed);
}

/**
 * Returns the tag of the channel's newest event if it is among these, else a tag that matches
 * nothing. If a newer event arrives before the publish, the precondition fails.
 */
async function matchingTag(
  feed: Feed,
  tags: readonly string[],
  channel: string,
  isWanted: () => boolean,
): Promise<string> {
  const { record, damagedThrough } = await newestReadable(feed, feed.interest([channel]), isWanted);
  const position = record?.position ?? 0;
  if (damagedThrough > 0) return newestOf(feed, tags, position, damagedThrough);
  const tag = position === 0 ? '' : encodeCursor(feed.epoch, position);
  return tags.includes(tag) ? tag : '';
}

/**
 * The newest of the tags in a damaged range. The newest event is unreadable, but the log still
 * knows its id. So the log compares this tag when the event is published.
 */
function newestOf(feed: Feed, tags: readonly string[], after: Position, through: Position): string {
  let newest = { tag: '', position: after };
  for (const tag of tags) {
    const cursor = parseCursor(tag);
    if (cursor?.epoch !== feed.epoch || cursor.position > through) continue;
    if (cursor.position > newest.position) newest = { tag, position: cursor.position };
  }
  return newest.tag;
}
