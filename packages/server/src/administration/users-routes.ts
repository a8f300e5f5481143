import { encodeCursor, PolycastError } from '@polycast/protocol';
import { isUser } from '../core/private-channel.ts';
import { revokedNow } from '../identity/revocations.ts';
import { renew } from '../transports/expiry.ts';
import type { Route } from '../transports/http-transport.ts';
import type { Session } from '../transports/sessions.ts';
import { StreamSession } from '../transports/stream-session.ts';
import type { Administration } from './administration.ts';
import { respondJson, timeText, withScope, type Desk } from '../transports/desk.ts';
import { readMembers, shortText } from '../transports/json-body.ts';

const REASON_LENGTH_MAX = 200;

/** `/v1/users/{id}` and what can be done about a user (PROTOCOL.md section 13.5). */
export function usersRoutes(administration: Administration): readonly Route[] {
  const { services, revocations, audit } = administration;
  const route = (method: Route['method'], path: string, handle: (desk: Desk) => void | Promise<void>): Route => ({
    method,
    path,
    handle: withScope(administration.services, 'users', handle),
  });
  return [
    route('GET', '/v1/users/:user', ({ response, parameters }) => {
      respondJson(response, 200, userJson(administration, userOf(parameters)));
    }),
    route('POST', '/v1/users/:user/disconnect', async ({ request, response, parameters, actor }) => {
      const user = userOf(parameters);
      const members = await readMembers(services, request);
      const reason = members.take('reason', shortText(REASON_LENGTH_MAX));
      members.end();
      const sessions = services.sessions.countOfUser(user);
      const issuedBeforeMs = revokedNow(services.clock);
      await revocations.revoke({ kind: 'user', name: user, issuedBeforeMs }, actor);
      const detail = { sessions, ...(reason === undefined ? {} : { reason }) };
      audit.note({ action: 'user.disconnected', subject: user, by: actor, detail });
      respondJson(response, 200, { user, sessions, issuedBefore: timeText(issuedBeforeMs) });
    }),
    route('POST', '/v1/users/:user/reauthenticate', async ({ request, response, parameters, actor }) => {
      const user = userOf(parameters);
      (await readMembers(services, request)).end();
      services.authority.forget?.(user);
      const sessions = services.sessions.ofUser(user);
      for (const session of sessions) askAgain(administration, session);
      audit.note({ action: 'user.reauthenticated', subject: user, by: actor, detail: { sessions: sessions.length } });
      respondJson(response, 200, { user, sessions: sessions.length });
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
function userOf({ user = '' }: Desk['parameters']): string {
  if (isUser(user)) return user;
  throw new PolycastError(
    'invalid_parameter',
    'A user is a text of 1 to 128 characters, none of them a control character.',
    {
      parameter: 'user',
    },
  );
}
