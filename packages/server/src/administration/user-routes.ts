import { encodeCursor, PolycastError } from '@polycast/protocol';
import { isUser } from '../core/access/private-channel.ts';
import { issuedBeforeNowMs } from '../identity/revocation-list.ts';
import { renewCredentials } from '../auth/expiry.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { AuthorizedRoute, Route } from '../http/route.ts';
import type { Session } from '../auth/sessions.ts';
import { StreamSession } from '../streams/stream-session.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { nonEmptyText } from '../http/body/json-body.ts';

const REASON_LENGTH_MAX = 200;

/** `/v1/users/{id}` and the operations on a user (PROTOCOL.md section 13.5). */
export function userRoutes(administration: AdministrationParts): readonly Route[] {
  const { services, revocations, audit } = administration;
  const route = (method: Route['method'], path: string, handle: AuthorizedRoute['handle']): Route => ({
    method,
    path,
    requires: 'users',
    handle,
  });
  return [
    route('GET', '/v1/users/:user', (request) => {
      request.respondJson(200, userJson(administration, userOf(request)));
    }),
    route('POST', '/v1/users/:user/disconnect', async (request) => {
      const user = userOf(request);
      const members = await request.members();
      const reason = members.optional('reason', nonEmptyText(REASON_LENGTH_MAX));
      members.rejectUnknown();
      const { actor } = request;
      const sessions = services.sessions.countOfUser(user);
      const issuedBeforeMs = issuedBeforeNowMs(services.clock);
      await revocations.revoke({ kind: 'user', name: user, issuedBeforeMs }, actor);
      const detail = { sessions, ...(reason === undefined ? {} : { reason }) };
      audit.record({ action: 'user.disconnected', subject: user, by: actor, detail });
      request.respondJson(200, { user, sessions, issuedBefore: timestampOrNull(issuedBeforeMs) });
    }),
    route('POST', '/v1/users/:user/reauthenticate', async (request) => {
      const user = userOf(request);
      (await request.members()).rejectUnknown();
      const { actor } = request;
      services.authority.forgetUser?.(user);
      const sessions = services.sessions.ofUser(user);
      for (const session of sessions) reauthenticateSession(administration, session);
      audit.record({ action: 'user.reauthenticated', subject: user, by: actor, detail: { sessions: sessions.length } });
      request.respondJson(200, { user, sessions: sessions.length });
    }),
  ];
}

/**
 * Authenticates a live session again. A stream stays open meanwhile. A poll is answered at once,
 * and its next request is authenticated.
 */
function reauthenticateSession({ services }: AdministrationParts, session: Session): void {
  if (session instanceof StreamSession) renewCredentials(services, session, true);
  else session.disconnect('unauthorized');
}

function userJson({ services }: AdministrationParts, user: string): object {
  const sessions = services.sessions.ofUser(user);
  const info = sessions.find(({ principal }) => principal.info !== undefined)?.principal.info;
  return {
    user,
    online: sessions.length > 0 || services.presence.isOnline(user),
    ...(info === undefined ? {} : { info }),
    sessions: sessions.map((session) => ({
      session: session.id,
      transport: session.transport,
      since: timestampOrNull(session.sinceMs),
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
    'The name of a user must have 1 to 128 characters and no control characters.',
    {
      parameter: 'user',
    },
  );
}
