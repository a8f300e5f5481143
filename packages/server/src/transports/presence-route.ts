import { checkChannel, encodeCursor, formatTime } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { presentUser, type PresentUser } from '../core/presence-events.ts';
import { allow, identify } from './permission.ts';
import { invalid, parameters } from './events-query.ts';
import { respondCompressed } from './compress.ts';
import type { Services } from './services.ts';

/** `GET /v1/channels/{c}/presence` (PROTOCOL.md section 13.6): who is there, and the cursor at which that is true. */
export async function readPresence(
  services: Services,
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  query: string,
): Promise<void> {
  const channel = checkChannel(name);
  const principal = await identify(services, request, tokenIn(query));
  await allow(services, principal, 'presence', [channel]);
  const { position, isListed, users, anonymous, members } = await services.presence.snapshot(channel);
  const cursor = encodeCursor(services.feed.epoch, position);
  const counts = JSON.stringify({ channel, cursor, listed: isListed, users, anonymous });
  const text = `${counts.slice(0, -1)},"members":${membersText(members)}}`;
  const headers = ['Cache-Control', 'no-store'];
  respondCompressed(response, 200, 'application/json', [Buffer.from(text)], headers);
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

function tokenIn(query: string): string | undefined {
  let token: string | undefined;
  for (const [name, value] of parameters(query)) {
    if (name !== 'token') throw invalid(name.slice(0, 64), 'is not a parameter of this address');
    if (token !== undefined) throw invalid(name, 'may be given once');
    token = value;
  }
  return token;
}
