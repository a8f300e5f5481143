import type { IncomingMessage, ServerResponse } from 'node:http';
import { ANONYMOUS } from '../core/access/principal.ts';
import { AuthorizedRequest, type RequiredAccess, type RouteContext } from '../auth/authorized-request.ts';
import { parseQueryPairs as parametersIn } from '../streams/events-query.ts';
import { identify } from '../auth/permission.ts';
import type { Services } from './services.ts';

/** One of the addresses that are answered. */
export type Route = AuthorizedRoute | UnauthorizedRoute;

export interface RouteAddress {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** The answer is the same for everybody, and pages of every origin may have it. */
  readonly isPublic?: boolean;
}

/** A route whose caller is identified, and asked for a scope, before its handler runs; `POST /v1/keys` asks for `admin`. */
export interface AuthorizedRoute extends RouteAddress {
  readonly requires: RequiredAccess;
  /** `?token=` may hold the credentials: for clients that can set no header. */
  readonly acceptsQueryToken?: true;
  readonly handle: (request: AuthorizedRequest) => void | Promise<void>;
}

/** A route that answers everybody the same, or has a protocol of its own: health, pages, streams. It reads no body of a client. */
export interface UnauthorizedRoute extends RouteAddress {
  readonly answer: RequestHandler;
}

export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  parameters: Readonly<Record<string, string | undefined>>,
  query: string,
) => void | Promise<void>;

/** What the router calls. An authorized route's handler gets no request but one whose caller has been asked for. */
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

/** `GET /v1/channels/{channel}`, as the description has it. */
export function routeName({ method, path }: RouteAddress): string {
  return `${method} ${path.replace(/:(\w+)/g, '{$1}')}`;
}

/** Whether it may be given at all, and once, is the handler's to say. */
function queryToken(query: string): string | undefined {
  if (!query.includes('token=')) return undefined;
  for (const [name, value] of parametersIn(query)) if (name === 'token') return value;
  return undefined;
}
