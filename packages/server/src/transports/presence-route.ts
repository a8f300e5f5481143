import { checkChannel, encodeCursor, formatTime } from '@polycast/protocol';
import { presentUser, type PresentUser } from '../core/presence-events.ts';
import type { AuthorizedRequest } from './authorized-request.ts';
import { NO_STORE } from './cache-headers.ts';
import { singles } from './single-parameters.ts';
import type { Services } from './services.ts';

/** `GET /v1/channels/{c}/presence` (PROTOCOL.md section 13.6): who is there, and the cursor at which that is true. */
export async function readPresence(services: Services, request: AuthorizedRequest, name: string): Promise<void> {
  const channel = checkChannel(name);
  singles(request.query, ['token']);
  await request.allow('presence', [channel]);
  const { position, isListed, users, anonymous, members } = await services.presence.snapshot(channel);
  const cursor = encodeCursor(services.feed.epoch, position);
  const counts = JSON.stringify({ channel, cursor, listed: isListed, users, anonymous });
  const text = `${counts.slice(0, -1)},"members":${membersText(members)}}`;
  request.respondCompressed([Buffer.from(text)], NO_STORE);
}

/** A crowd that comes at once is told of one list, which is written once. */
function membersText(members: readonly PresentUser[]): string {
  let text = texts.get(members);
  if (text === undefined) {
    text = JSON.stringify(members.map((member) => presentUser(member, formatTime)));
    texts.set(members, text);
  }
  return text;
}

const texts = new WeakMap<readonly PresentUser[], string>();
