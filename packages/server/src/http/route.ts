import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RouteDescription } from './route-description.ts';

/** A method and path that the hub answers. */
export interface RouteAddress {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** The response is the same for everybody, and pages of every origin may read it. */
  readonly isPublic?: boolean;
  /**
   * The route is about subscriptions, so one hub of a cluster answers it: the hub that works on
   * them. `newest`: the answer depends on what other hubs have confirmed a moment ago.
   * `worker`: workers call it all the time, and it does not.
   */
  readonly subscriptionWork?: 'newest' | 'worker';
  /**
   * A sentence for the refusal of another method on this path: how to do what its caller may want.
   * `{channel}` stands for the parameter of the path.
   */
  readonly otherwise?: string;
  /** What `/openapi.json` says of the route; without it the route is no part of the API. */
  readonly description?: () => RouteDescription;
}

/** A route, as far as its description follows from it. */
export interface DescribedRoute extends RouteAddress {
  /** The scope that callers need; absent without identification of the caller. */
  readonly requires?: string;
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

/** The route's name as in the OpenAPI description: `GET /v1/channels/{channel}`. */
export function routeName({ method, path }: RouteAddress): string {
  return `${method} ${templateText(path)}`;
}

/** A path as texts show it: `/v1/channels/{channel}`. */
export function templateText(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}');
}
