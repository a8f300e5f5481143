import { checkChannel, encodeCursor, formatTime } from '@polycast/protocol';
import { presenceUserJson, type PresenceUser } from '../core/presence/presence-events.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import { NO_STORE } from '../http/headers/cache-headers.ts';
import { readQuery } from '../http/query-parameter.ts';
import { PRESENCE_PARAMETERS } from './descriptions.ts';
import type { ReadParts } from './stream-parts.ts';

/**
 * `GET /v1/channels/{c}/presence` (PROTOCOL.md section 13.6): the members of the channel, and the
 * cursor at which the list is true.
 */
export async function readPresence(parts: ReadParts, request: AuthorizedRequest, name: string): Promise<void> {
  const channel = checkChannel(name);
  readQuery(request.query, PRESENCE_PARAMETERS);
  await request.authorize('presence', [channel]);
  const { position, isListed, users, anonymous, members } = await parts.presence.snapshot(channel);
  const cursor = encodeCursor(parts.feed.epoch, position);
  const counts = JSON.stringify({ channel, cursor, listed: isListed, users, anonymous });
  const text = `${counts.slice(0, -1)},"members":${membersJson(members)}}`;
  request.respondCompressed([Buffer.from(text)], NO_STORE);
}

/** The members as JSON. Many clients that ask at once share one list, which is serialized once. */
function membersJson(members: readonly PresenceUser[]): string {
  let text = jsonOfMembers.get(members);
  if (text === undefined) {
    text = JSON.stringify(members.map((member) => presenceUserJson(member, formatTime)));
    jsonOfMembers.set(members, text);
  }
  return text;
}

const jsonOfMembers = new WeakMap<readonly PresenceUser[], string>();
