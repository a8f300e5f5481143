import type { IncomingMessage, ServerResponse } from 'node:http';
import { ANONYMOUS } from '../core/principal.ts';
import { AuthorizedRequest, type Asks, type RoutePlace } from './authorized-request.ts';
import { parameters as parametersIn } from './events-query.ts';
import { identify } from './permission.ts';
import type { Services } from './services.ts';

/** One of the addresses that are answered. */
export type Route = AuthorizedRoute | OpenRoute;

export interface Address {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** The answer is the same for everybody, and pages of every origin may have it. */
  readonly isPublic?: boolean;
}

/** A route whose caller is identified, and asked for a scope, before its handler runs; `POST /v1/keys` asks for `admin`. */
export interface AuthorizedRoute extends Address {
  readonly asks: Asks;
  /** `?token=` may hold the credentials: for clients that can set no header. */
  readonly takesQueryToken?: true;
  readonly handle: (request: AuthorizedRequest) => void | Promise<void>;
}

/** A route that answers everybody the same, or has a protocol of its own: health, pages, streams. It reads no body of a client. */
export interface OpenRoute extends Address {
  readonly answer: Answerer;
}

export type Answerer = (
  request: IncomingMessage,
  response: ServerResponse,
  parameters: Readonly<Record<string, string | undefined>>,
  query: string,
) => void | Promise<void>;

/** What the router calls. An authorized route's handler gets no request but one whose caller has been asked for. */
export function answererOf(services: Services, route: Route): Answerer {
  if ('answer' in route) return route.answer;
  const { asks, takesQueryToken = false, handle } = route;
  const place: RoutePlace = { services, route: routeName(route), asks };
  return (request, response, parameters, query) => {
    const principal =
      asks === 'nothing' ? ANONYMOUS : identify(services, request, takesQueryToken ? tokenIn(query) : undefined);
    if (principal instanceof Promise)
      return principal.then((known) =>
        begin(handle, new AuthorizedRequest(place, request, response, parameters, query, known)),
      );
    return begin(handle, new AuthorizedRequest(place, request, response, parameters, query, principal));
  };
}

function begin(handle: AuthorizedRoute['handle'], request: AuthorizedRequest): void | Promise<void> {
  request.check();
  return handle(request);
}

/** `GET /v1/channels/{channel}`, as the description has it. */
export function routeName({ method, path }: Address): string {
  return `${method} ${path.replace(/:(\w+)/g, '{$1}')}`;
}

/** Whether it may be given at all, and once, is the handler's to say. */
function tokenIn(query: string): string | undefined {
  if (!query.includes('token=')) return undefined;
  for (const [name, value] of parametersIn(query)) if (name === 'token') return value;
  return undefined;
}
