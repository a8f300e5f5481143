import * as z from 'zod';
import { PolycastError, TRANSPORTS } from '@polycast/protocol';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { Route } from '../auth/route.ts';
import { routeMaker } from '../auth/route-maker.ts';
import { json, pathParameter, response, type RouteDescription } from '../http/route-description.ts';
import { named, silentHubs, text, time, user as userSchema } from '../http/openapi/schemas.ts';
import { readQuery } from '../http/query-parameter.ts';
import { sessionSchema } from '../sessions/session-json.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { endSessionHere, foundSession, type EndedSession } from './hub-session.ts';
import { askOthers, hubSilent, type HubQuestion } from './other-hubs.ts';
import { sessionList } from './session-list.ts';
import { readSessionsQuery, SESSION_PARAMETERS } from './session-pages.ts';

/** `/v1/sessions` (PROTOCOL.md section 13.10). */
export function sessionRoutes(parts: AdministrationParts): readonly Route[] {
  const route = routeMaker({
    requires: 'admin',
    path: '/v1/sessions/:session',
    describe: (own: Omit<RouteDescription, 'section' | 'parameters'>) => ({
      section: '13.10',
      parameters: [
        pathParameter('session', z.string().meta({ examples: ['8FTkQ0hGL2xWmN4v'] }), 'The id of the session.'),
      ],
      errors: ['not_found', 'hub_silent'],
      ...own,
    }),
    prepare: (request) => [parts, request, request.parameters['session'] ?? ''] as const,
  });
  return [
    listRoute(parts),
    route('GET', '', read, () => ({
      operationId: 'readSession',
      summary: 'Reads a session, live or ended.',
      responses: [response(200, 'The session.', json(sessionSchema(), 'The session.'))],
    })),
    route('DELETE', '', end, () => ({
      operationId: 'endSession',
      summary: 'Ends a live session.',
      details:
        'The client receives `draining` and may connect again at once. To lock it out, revoke its credentials (section 13.3).',
      responses: [response(200, 'Ended.', json(endedSchema(), 'The session.'))],
    })),
  ];
}

const listSchema = named('SessionList', () =>
  z.object({
    sessions: z.array(sessionSchema()),
    next: z.string().nullable(),
    journal: z.object({
      enabled: z.boolean(),
      since: time('Everything since this time is recorded. `null`: nothing is.').nullable(),
    }),
    silentHubs: silentHubs(),
  }),
);

const endedSchema = named('EndedSession', () =>
  z.object({
    session: text({ examples: ['8FTkQ0hGL2xWmN4v'] }),
    transport: z.enum(TRANSPORTS),
    user: userSchema().optional(),
  }),
);

function listRoute(parts: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/sessions',
    requires: 'admin',
    description: () => ({
      operationId: 'listSessions',
      summary: 'Lists the live sessions, or those of the journal.',
      section: '13.10',
      details: 'A page may have fewer sessions than requested, or none, and still a next page.',
      parameters: SESSION_PARAMETERS,
      responses: [response(200, 'A page.', json(listSchema(), '`next` is the `after` of the next page.'))],
      errors: ['invalid_parameter'],
    }),
    async handle(request) {
      const query = readSessionsQuery(readQuery(request.query, SESSION_PARAMETERS));
      request.respondJson(200, await sessionList(parts, query));
    },
  };
}

async function read(parts: AdministrationParts, request: AuthorizedRequest, id: string): Promise<void> {
  const found = foundSession(parts, id) ?? (await askForSession<object>(parts, { kind: 'session', session: id }));
  request.respondJson(200, found);
}

/** `sessions/live-sessions.ts` ends the session, at the hub or process that has it. */
async function end(parts: AdministrationParts, request: AuthorizedRequest, id: string): Promise<void> {
  const ended =
    endSessionHere(parts, id) ?? (await askForSession<EndedSession>(parts, { kind: 'end session', session: id }));
  parts.audit.record({ action: 'session.ended', subject: id, by: request.actor, detail: { ...ended } });
  request.respondJson(200, { session: id, ...ended });
}

/**
 * Asks the other hubs for a session that this one does not have.
 * @throws PolycastError `not_found`, `hub_silent`
 */
async function askForSession<Answer extends object>(
  { log }: AdministrationParts,
  question: HubQuestion,
): Promise<Answer> {
  const { answers, silence } = await askOthers<Answer | null>(log, question);
  const found = answers.find((answer) => answer !== null);
  if (found !== undefined) return found;
  if (silence.silentHubs !== undefined) throw hubSilent(silence.silentHubs);
  throw new PolycastError('not_found', 'There is no such session.');
}
