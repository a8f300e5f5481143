import * as z from 'zod';
import { SESSION_TRANSPORTS } from '@polycast/protocol';
import { checkUserParameter } from '../auth/author.ts';
import { issuedBeforeNowMs } from '../identity/revocation-list.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { Route } from '../auth/route.ts';
import { routeMaker } from '../auth/route-maker.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { askOthers, reauthenticateHere } from './other-hubs.ts';
import { mergeUserStatus, userStatus, type UserStatus } from './user-status.ts';
import { nonEmptyText, noMembers } from '../http/body/body-schema.ts';
import { json, pathParameter, response, type RouteDescription } from '../http/route-description.ts';
import { anyValue, count, cursor, named, silentHubs, text, time, user as userSchema } from '../http/openapi/schemas.ts';

const REASON_LENGTH_MAX = 200;

/** `/v1/users/{id}` and the operations on a user (PROTOCOL.md section 13.5). */
export function userRoutes(administration: AdministrationParts): readonly Route[] {
  const route = routeMaker({
    requires: 'users',
    path: '/v1/users/:user',
    describe: (own: Omit<RouteDescription, 'section' | 'parameters'>) => ({
      section: '13.5',
      parameters: [pathParameter('user', userSchema(), 'The name of the user, percent-encoded.')],
      errors: ['invalid_parameter'],
      ...own,
    }),
    prepare: (request) => [administration, request, checkUserParameter(request.parameters['user'] ?? '')] as const,
  });
  return [
    route('GET', '', read, () => ({
      operationId: 'readUser',
      summary: 'Reads whether a user is online, with the sessions.',
      details: 'The key needs the scope `users`.',
      responses: [response(200, 'The user. An unknown user is not an error.', json(userStatusSchema(), 'The user.'))],
    })),
    route('POST', '/disconnect', disconnect, () => ({
      operationId: 'disconnectUser',
      summary: 'Closes all sessions of a user, for a log-out.',
      details: 'The hub refuses all credentials of the user issued before. The key needs the scope `users`.',
      bodies: [json(disconnectBody, 'For the audit log; optional.')],
      isBodyOptional: true,
      responses: [
        response(
          200,
          'Ended.',
          json(affected.extend({ issuedBefore: time() }), 'The number of `sessions`, and `issuedBefore`.'),
        ),
      ],
    })),
    route('POST', '/reauthenticate', reauthenticate, () => ({
      operationId: 'reauthenticateUser',
      summary: 'Makes the hub ask the site again for the identity and the permissions of a user.',
      details: 'The sessions continue with the new answer, or end. The key needs the scope `users`.',
      responses: [response(200, 'The hub asks the site.', json(affected, 'The number of `sessions`.'))],
    })),
  ];
}

async function read(administration: AdministrationParts, request: AuthorizedRequest, user: string): Promise<void> {
  const { answers, silence } = await askOthers<UserStatus>(administration.log, { kind: 'user', user });
  request.respondJson(200, { ...mergeUserStatus(userStatus(administration, user), answers), ...silence });
}

const disconnectBody = z.strictObject({
  reason: nonEmptyText(REASON_LENGTH_MAX)
    .meta({ examples: ['logged out'] })
    .exactOptional(),
});

async function disconnect(
  { auth, log, sessions: live, revocations, audit }: AdministrationParts,
  request: AuthorizedRequest,
  user: string,
): Promise<void> {
  const { reason } = await request.parse(disconnectBody);
  const { actor } = request;
  const own = live.countOfUser(user);
  // The question goes before the revocation, and the revocation does not wait for the answers.
  const asking = askOthers<UserStatus>(log, { kind: 'user', user });
  const issuedBeforeMs = issuedBeforeNowMs(auth.clock);
  await revocations.revoke({ kind: 'user', name: user, issuedBeforeMs }, actor);
  const { answers, silence } = await asking;
  const sessions = answers.reduce((sum, { sessions: { length } }) => sum + length, own);
  const detail = { sessions, ...(reason === undefined ? {} : { reason }) };
  audit.record({ action: 'user.disconnected', subject: user, by: actor, detail });
  request.respondJson(200, { user, sessions, issuedBefore: timestampOrNull(issuedBeforeMs), ...silence });
}

async function reauthenticate(
  administration: AdministrationParts,
  request: AuthorizedRequest,
  user: string,
): Promise<void> {
  await request.parse(noMembers);
  const { actor } = request;
  const own = reauthenticateHere(administration, user);
  const { answers, silence } = await askOthers<number>(administration.log, { kind: 'reauthenticate', user });
  const sessions = answers.reduce((sum, count) => sum + count, own);
  administration.audit.record({ action: 'user.reauthenticated', subject: user, by: actor, detail: { sessions } });
  request.respondJson(200, { user, sessions, ...silence });
}

/** The user and the sessions that an operation ends or asks about. */
const affected = z.object({
  user: userSchema(),
  sessions: count('The sessions that were open.'),
  silentHubs: silentHubs(),
});

const userStatusSchema = named('User', () =>
  z.object({
    user: userSchema(),
    online: z.boolean().describe('The user is connected, or has polled recently.'),
    info: anyValue({ description: 'Information of the site about the user.', examples: [{ name: 'Ann' }] }).optional(),
    sessions: z.array(
      z.object({
        session: text({ examples: ['8FTkQ0hGL2xWmN4v'] }),
        transport: z.enum(SESSION_TRANSPORTS),
        since: time(),
        channels: count(),
        cursor: cursor().describe('The position up to which the session has received events.'),
        behind: count('The distance to the head of the log, in positions.'),
        address: text({ examples: ['203.0.113.7'] }),
      }),
    ),
    silentHubs: silentHubs(),
  }),
);
