import { encodeCursor, PolycastError } from '@polycast/protocol';
import { isUser } from '../core/access/private-channel.ts';
import { issuedBeforeNowMs } from '../identity/revocation-list.ts';
import type { AuthParts } from '../auth/auth-parts.ts';
import { renewCredentials } from '../auth/expiry.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { AuthorizedRoute, Route } from '../auth/route.ts';
import { isRenewable, type Session } from '../auth/sessions.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { nonEmptyText } from '../http/body/json-body.ts';

const REASON_LENGTH_MAX = 200;

/** `/v1/users/{id}` and the operations on a user (PROTOCOL.md section 13.5). */
export function userRoutes(administration: AdministrationParts): readonly Route[] {
  const { auth, sessions: live, revocations, audit } = administration;
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
      const sessions = live.countOfUser(user);
      const issuedBeforeMs = issuedBeforeNowMs(auth.clock);
      await revocations.revoke({ kind: 'user', name: user, issuedBeforeMs }, actor);
      const detail = { sessions, ...(reason === undefined ? {} : { reason }) };
      audit.record({ action: 'user.disconnected', subject: user, by: actor, detail });
      request.respondJson(200, { user, sessions, issuedBefore: timestampOrNull(issuedBeforeMs) });
    }),
    route('POST', '/v1/users/:user/reauthenticate', async (request) => {
      const user = userOf(request);
      (await request.members()).rejectUnknown();
      const { actor } = request;
      auth.authority.forgetUser?.(user);
      const sessions = live.ofUser(user);
      for (const session of sessions) reauthenticateSession(auth, session);
      audit.record({ action: 'user.reauthenticated', subject: user, by: actor, detail: { sessions: sessions.length } });
      request.respondJson(200, { user, sessions: sessions.length });
    }),
  ];
}

/**
 * Authenticates a live session again. A stream stays open meanwhile. A poll is answered at once,
 * and its next request is authenticated.
 */
function reauthenticateSession(auth: AuthParts, session: Session): void {
  if (isRenewable(session)) renewCredentials(auth, session, true);
  else session.disconnect('unauthorized');
}

function userJson({ feed, presence, sessions: live }: AdministrationParts, user: string): object {
  const sessions = live.ofUser(user);
  const info = sessions.find(({ principal }) => principal.info !== undefined)?.principal.info;
  return {
    user,
    online: sessions.length > 0 || presence.isOnline(user),
    ...(info === undefined ? {} : { info }),
    sessions: sessions.map((session) => ({
      session: session.id,
      transport: session.transport,
      since: timestampOrNull(session.sinceMs),
      channels: session.channels.length,
      cursor: encodeCursor(feed.epoch, session.position),
      behind: Math.max(0, feed.head - session.position),
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
