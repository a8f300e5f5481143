import { ANONYMOUS } from '../core/access/principal.ts';
import { firstParameter } from '../http/query.ts';
import { routeName, type RouteAddress, type UnauthorizedRoute } from '../http/route.ts';
import { AuthorizedRequest, type RequestParts, type RequiredAccess, type RouteContext } from './authorized-request.ts';
import { bearerToken } from './credentials.ts';
import { identify } from './permission.ts';

export type Route = AuthorizedRoute | UnauthorizedRoute;

/**
 * A route that identifies its caller and checks a scope before its handler runs. Example: `POST
 * /v1/keys` requires `admin`.
 */
export interface AuthorizedRoute extends RouteAddress {
  readonly requires: RequiredAccess;
  /** The route accepts credentials in `?token=`, for clients that cannot set headers. */
  readonly acceptsQueryToken?: true;
  /**
   * The route accepts the token of a portal link.
   * All other routes refuse it as unknown credentials.
   */
  readonly acceptsPortalLink?: true;
  readonly handle: (request: AuthorizedRequest) => void | Promise<void>;
}

/**
 * The route as the router calls it. The handler of an authorized route receives only requests with
 * a checked caller.
 */
export function withAuthorization(parts: RequestParts, route: Route): UnauthorizedRoute {
  if ('answer' in route) return route;
  const { requires, acceptsQueryToken = false, acceptsPortalLink = false, handle } = route;
  const context: RouteContext = { parts, route: routeName(route), requires };
  return {
    ...route,
    answer(request, response, parameters, query) {
      const portal = acceptsPortalLink
        ? parts.auth.portalLinks?.identify(bearerToken(request.headers.authorization))
        : undefined;
      const principal =
        portal ??
        (requires === 'nothing'
          ? ANONYMOUS
          : identify(parts.auth, request, acceptsQueryToken ? queryToken(query) : undefined));
      if (principal instanceof Promise)
        return principal.then((known) =>
          handleAuthorized(handle, new AuthorizedRequest(context, request, response, parameters, query, known)),
        );
      return handleAuthorized(handle, new AuthorizedRequest(context, request, response, parameters, query, principal));
    },
  };
}

function handleAuthorized(handle: AuthorizedRoute['handle'], request: AuthorizedRequest): void | Promise<void> {
  request.check();
  return handle(request);
}

/** Most queries have no token, so they are not parsed here. */
function queryToken(query: string): string | undefined {
  return query.includes('token=') ? firstParameter(query, 'token') : undefined;
}
