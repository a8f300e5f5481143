import type { IncomingMessage, ServerResponse } from 'node:http';
import { ANONYMOUS } from '../core/access/principal.ts';
import { AuthorizedRequest, type RequiredAccess, type RouteContext } from '../auth/authorized-request.ts';
import { parseQueryPairs as parametersIn } from '../streams/events-query.ts';
import { identify } from '../auth/permission.ts';
import type { Services } from './services.ts';

/** A method and path that the hub answers. */
export type Route = AuthorizedRoute | UnauthorizedRoute;

export interface RouteAddress {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** The response is the same for everybody, and pages of every origin may read it. */
  readonly isPublic?: boolean;
}

/**
 * A route that identifies its caller and checks a scope before its handler runs. Example: `POST
 * /v1/keys` requires `admin`.
 */
export interface AuthorizedRoute extends RouteAddress {
  readonly requires: RequiredAccess;
  /** The route accepts credentials in `?token=`, for clients that cannot set headers. */
  readonly acceptsQueryToken?: true;
  readonly handle: (request: AuthorizedRequest) => void | Promise<void>;
}

/**
 * A route with the same response for everybody, or with its own protocol: health, pages, streams.
 * It reads no body of a client.
 */
export interface UnauthorizedRoute extends RouteAddress {
  readonly answer: RequestHandler;
}

export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  parameters: Readonly<Record<string, string | undefined>>,
  query: string,
) => void | Promise<void>;

/**
 * The function that the router calls. The handler of an authorized route receives only requests
 * with a checked caller.
 */
export function createHandler(services: Services, route: Route): RequestHandler {
  if ('answer' in route) return route.answer;
  const { requires, acceptsQueryToken = false, handle } = route;
  const context: RouteContext = { services, route: routeName(route), requires };
  return (request, response, parameters, query) => {
    const principal =
      requires === 'nothing'
        ? ANONYMOUS
        : identify(services, request, acceptsQueryToken ? queryToken(query) : undefined);
    if (principal instanceof Promise)
      return principal.then((known) =>
        handleAuthorized(handle, new AuthorizedRequest(context, request, response, parameters, query, known)),
      );
    return handleAuthorized(handle, new AuthorizedRequest(context, request, response, parameters, query, principal));
  };
}

function handleAuthorized(handle: AuthorizedRoute['handle'], request: AuthorizedRequest): void | Promise<void> {
  request.check();
  return handle(request);
}

/** The route's name as in the OpenAPI description: `GET /v1/channels/{channel}`. */
export function routeName({ method, path }: RouteAddress): string {
  return `${method} ${path.replace(/:(\w+)/g, '{$1}')}`;
}

/**
 * The first `token` of the query. The handler checks whether the parameter is allowed and given
 * once.
 */
function queryToken(query: string): string | undefined {
  if (!query.includes('token=')) return undefined;
  for (const [name, value] of parametersIn(query)) if (name === 'token') return value;
  return undefined;
}
