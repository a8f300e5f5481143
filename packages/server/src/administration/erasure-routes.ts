import * as z from 'zod';
import { checkChannel, PolycastError } from '@polycast/protocol';
import { checkUserParameter } from '../auth/author.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { AuthorizedRoute, Route } from '../auth/route.ts';
import { ERASURE_KINDS, type ErasureKind } from '../core/erasure.ts';
import { channel, count, named, text, time, user } from '../http/openapi/schemas.ts';
import { json, pathParameter, response } from '../http/route-description.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { ErasureStatus } from '../operate/erasure-task.ts';
import type { AdministrationParts } from './administration-parts.ts';

/** A request for an erasure: its route, and how it checks the name in the path. */
interface ErasureRoute {
  readonly kind: ErasureKind;
  readonly path: string;
  readonly otherwise?: string;
  readonly operationId: string;
  readonly summary: string;
  readonly parameter: string;
  readonly schema: z.ZodType;
  readonly parameterText: string;
  readonly check: (name: string) => string;
}

const ROUTES: readonly ErasureRoute[] = [
  {
    kind: 'event',
    path: '/v1/events/:id',
    otherwise: 'To read: GET /v1/events?channel=CHANNEL&after=earliest.',
    operationId: 'eraseEvent',
    summary: 'Erases one event.',
    parameter: 'id',
    schema: z.string(),
    parameterText: 'The id of the event.',
    check: (name) => name,
  },
  {
    kind: 'channel',
    path: '/v1/channels/:channel',
    operationId: 'eraseChannel',
    summary: 'Erases all events of a channel, and its name.',
    parameter: 'channel',
    schema: channel(),
    parameterText: 'The channel.',
    check: checkChannel,
  },
  {
    kind: 'user',
    path: '/v1/users/:user/data',
    operationId: 'eraseUser',
    summary: 'Erases the data of a user.',
    parameter: 'user',
    schema: user(),
    parameterText: 'The name of the user, percent-encoded.',
    check: checkUserParameter,
  },
];

const DETAILS =
  'The answer comes once the request is stored. The hub then erases in small steps, also after a restart. Readers that come by receive a gap with the reason `erased`. The key needs the scope `admin`.';

/** The requests for an erasure, and how far they are (PROTOCOL.md section 13.11). */
export function erasureRoutes(administration: AdministrationParts): readonly Route[] {
  return [
    ...ROUTES.map((route) => eraseRoute(administration, route)),
    listRoute(administration),
    readRoute(administration),
  ];
}

function eraseRoute({ erasure }: AdministrationParts, route: ErasureRoute): AuthorizedRoute {
  const { kind, path, otherwise, operationId, summary, parameter, schema, parameterText, check } = route;
  return {
    method: 'DELETE',
    path,
    ...(otherwise !== undefined && { otherwise }),
    requires: 'admin',
    description: () => ({
      operationId,
      summary,
      section: '13.11',
      details: DETAILS,
      parameters: [pathParameter(parameter, schema, parameterText)],
      responses: [response(202, 'The request is stored.', json(erasureSchema(), 'The erasure.'))],
      errors: kind === 'event' ? ['not_found'] : kind === 'channel' ? ['invalid_channel'] : ['invalid_parameter'],
    }),
    async handle(request) {
      const name = check(request.parameters[parameter] ?? '');
      respond(request, 202, await erasure.request(kind, name, request.actor));
    },
  };
}

function listRoute({ erasure }: AdministrationParts): AuthorizedRoute {
  return {
    method: 'GET',
    path: '/v1/erasures',
    requires: 'admin',
    description: () => ({
      operationId: 'listErasures',
      summary: 'Lists erasures: those that wait or run, and up to 1,000 that finished since the start.',
      section: '13.11',
      responses: [
        response(200, 'The oldest first.', json(z.object({ erasures: z.array(erasureSchema()) }), 'The erasures.')),
      ],
    }),
    handle: (request) => request.respondJson(200, { erasures: erasure.list().map(erasureJson) }),
  };
}

function readRoute({ erasure }: AdministrationParts): AuthorizedRoute {
  return {
    method: 'GET',
    path: '/v1/erasures/:erasure',
    requires: 'admin',
    description: () => ({
      operationId: 'readErasure',
      summary: 'Reads how far an erasure is.',
      section: '13.11',
      parameters: [pathParameter('erasure', z.string(), 'Its id.')],
      responses: [response(200, 'The erasure.', json(erasureSchema(), 'The erasure.'))],
      errors: ['not_found'],
    }),
    handle(request) {
      const status = erasure.get(request.parameters['erasure'] ?? '');
      if (status === undefined)
        throw new PolycastError(
          'not_found',
          'There is no such erasure. The audit log has those that finished before the start of the hub.',
        );
      respond(request, 200, status);
    },
  };
}

function respond(request: AuthorizedRequest, status: 200 | 202, erasure: ErasureStatus): void {
  request.respondJson(status, erasureJson(erasure));
}

const erasureSchema = named('Erasure', () =>
  z.object({
    id: text({ examples: ['era_8FTkQ0hGL2xWmN4v'] }),
    kind: z.enum(ERASURE_KINDS),
    name: z.string().meta({ description: 'The id of the event, the channel or the user.', examples: ['ann'] }),
    state: z.enum(['pending', 'running', 'finished']),
    requested: time('Events that were published later stay.'),
    finished: time().nullable(),
    events: count('Events that were erased since the start of the hub.'),
    progress: z.number().min(0).max(1).describe('The part of the log that was examined.'),
  }),
);

function erasureJson({ erasure, state, events, reached, finishedMs }: ErasureStatus): object {
  const { id, kind, name, requestedMs, after, through } = erasure;
  return {
    id,
    kind,
    name,
    state,
    requested: timestampOrNull(requestedMs),
    finished: timestampOrNull(finishedMs),
    events,
    progress: through <= after ? 1 : Math.round((1000 * (reached - after)) / (through - after)) / 1000,
  };
}
