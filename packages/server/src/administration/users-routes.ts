import { encodeCursor, PolycastError } from '@polycast/protocol';
import { isUser } from '../core/private-channel.ts';
import { revokedNow } from '../identity/revocations.ts';
import { renew } from '../transports/expiry.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import type { AuthorizedRoute, Route } from '../transports/route.ts';
import type { Session } from '../transports/sessions.ts';
import { StreamSession } from '../transports/stream-session.ts';
import type { Administration } from './administration.ts';
import { timeText } from '../transports/time-text.ts';
import { shortText } from '../transports/json-body.ts';

const REASON_LENGTH_MAX = 200;

/** `/v1/users/{id}` and what can be done about a user (PROTOCOL.md section 13.5). */
export function usersRoutes(administration: Administration): readonly Route[] {
  const { services, revocations, audit } = administration;
  const route = (method: Route['method'], path: string, handle: AuthorizedRoute['handle']): Route => ({
    method,
    path,
    asks: 'users',
    handle,
  });
  return [
    route('GET', '/v1/users/:user', (request) => {
      request.respondJson(200, userJson(administration, userOf(request)));
    }),
    route('POST', '/v1/users/:user/disconnect', async (request) => {
      const user = userOf(request);
      const members = await request.members();
      const reason = members.take('reason', shortText(REASON_LENGTH_MAX));
      members.end();
      const { actor } = request;
      const sessions = services.sessions.countOfUser(user);
      const issuedBeforeMs = revokedNow(services.clock);
      await revocations.revoke({ kind: 'user', name: user, issuedBeforeMs }, actor);
      const detail = { sessions, ...(reason === undefined ? {} : { reason }) };
      audit.note({ action: 'user.disconnected', subject: user, by: actor, detail });
      request.respondJson(200, { user, sessions, issuedBefore: timeText(issuedBeforeMs) });
    }),
    route('POST', '/v1/users/:user/reauthenticate', async (request) => {
      const user = userOf(request);
      (await request.members()).end();
      const { actor } = request;
      services.authority.forget?.(user);
      const sessions = services.sessions.ofUser(user);
      for (const session of sessions) askAgain(administration, session);
      audit.note({ action: 'user.reauthenticated', subject: user, by: actor, detail: { sessions: sessions.length } });
      request.respondJson(200, { user, sessions: sessions.length });
    }),
  ];
}

/** A stream is found out about anew where it is; a poll is answered now, and its next request is. */
function askAgain({ services }: Administration, session: Session): void {
  if (session instanceof StreamSession) renew(services, session, true);
  else session.dismiss('unauthorized');
}

function userJson({ services }: Administration, user: string): object {
  const sessions = services.sessions.ofUser(user);
  const info = sessions.find(({ principal }) => principal.info !== undefined)?.principal.info;
  return {
    user,
    online: sessions.length > 0 || services.presence.isOnline(user),
    ...(info === undefined ? {} : { info }),
    sessions: sessions.map((session) => ({
      session: session.id,
      transport: session.transport,
      since: timeText(session.sinceMs),
      channels: session.channels.length,
      cursor: encodeCursor(services.feed.epoch, session.position),
      behind: Math.max(0, services.feed.head - session.position),
      address: session.address,
    })),
  };
}

/** @throws PolycastError `invalid_parameter` */
function userOf({ parameters: { user = '' } }: AuthorizedRequest): string {
  if (isUser(user)) return user;
  throw new PolycastError(
    'invalid_parameter',
    'A user is a text of 1 to 128 characters, none of them a control character.',
    {
      parameter: 'user',
    },
  );
}
