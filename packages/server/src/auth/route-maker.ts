import type { RouteDescription } from '../http/route-description.ts';
import type { AuthorizedRequest, RequiredAccess } from './authorized-request.ts';
import type { AuthorizedRoute } from './route.ts';

/**
 * What the routes of one resource have in common.
 * Example: all of `/v1/users/:user` require `users`.
 */
export interface Resource<Arguments extends readonly unknown[], Own> {
  readonly requires: RequiredAccess;
  /** The beginning of their paths. */
  readonly path: string;
  /** Completes the description of a route. */
  readonly describe: (own: Own) => RouteDescription;
  /** Runs before each handler; returns its arguments. It throws the refusals of all routes. */
  readonly prepare: (request: AuthorizedRequest) => Arguments;
}

/** @param below the rest of the path: `/disconnect` */
export type RouteMaker<Arguments extends readonly unknown[], Own> = (
  method: AuthorizedRoute['method'],
  below: string,
  handle: (...given: Arguments) => void | Promise<void>,
  description: () => Own,
) => AuthorizedRoute;

/** The function that makes the routes of a resource. */
export function routeMaker<Arguments extends readonly unknown[], Own>({
  requires,
  path,
  describe,
  prepare,
}: Resource<Arguments, Own>): RouteMaker<Arguments, Own> {
  return (method, below, handle, description) => ({
    method,
    path: path + below,
    requires,
    description: () => describe(description()),
    handle: (request) => handle(...prepare(request)),
  });
}
