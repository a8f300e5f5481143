import { PolycastError } from '@polycast/protocol';
import type { RequestHandlers } from '../../http/http-frontend.ts';
import { routeName, type UnauthorizedRoute } from '../../http/route.ts';
import { reachingRoute, readingHandlers, type ReachedLog } from './reach-cursors.ts';
import type { SubscriptionForwarder } from './subscription-routes.ts';

/**
 * The routes of the API that mean the same at every hub of a cluster, or that are about the one hub
 * that answers. Routes about subscriptions mark themselves (`subscriptionWork`). A new route may be
 * about data that hubs do not share, so it is refused until it has a place here.
 */
const ROUTES: ReadonlySet<string> = new Set([
  'GET /v1/events',
  'POST /v1/events',
  'GET /v1/channels',
  'GET /v1/channels/{channel}',
  'GET /v1/channels/{channel}/history',
  'GET /v1/channels/{channel}/presence',
  'POST /v1/channels/{channel}/events',
  'POST /v1/users/{user}/events',
  'POST /v1/users/events',
  'POST /v1/ingest/{source}',
  'GET /v1/event-types',
  'GET /v1/status',
  'GET /v1/status/history',
  'GET /v1/configuration',
  'GET /v1/cluster',
  'POST /v1/keys',
  'PATCH /v1/keys/{id}',
  'DELETE /v1/keys/{id}',
  'POST /v1/keys/{id}/rotate',
  'POST /v1/revocations',
  'GET /v1/users',
  'GET /v1/users/{user}',
  'POST /v1/users/{user}/disconnect',
  'POST /v1/users/{user}/reauthenticate',
  'GET /v1/sessions',
  'GET /v1/sessions/{session}',
  'DELETE /v1/sessions/{session}',
  'GET /v1/console/session',
  'POST /v1/console/session',
  'DELETE /v1/console/session',
  'POST /v1/portal-links',
  'GET /v1/portal',
  'POST /v1/reload',
]);

/** Routes that read what another hub may have changed a moment ago. They have no cursor. */
const NEWEST_ROUTES: ReadonlySet<string> = new Set([
  'GET /v1/keys',
  'GET /v1/keys/{id}',
  'GET /v1/audit',
  'GET /v1/access/explain',
]);

/** The routes of erasures. The hub that works on subscriptions erases, and answers them. */
const ERASURE_ROUTES: ReadonlySet<string> = new Set([
  'DELETE /v1/events/{id}',
  'DELETE /v1/channels/{channel}',
  'DELETE /v1/users/{user}/data',
  'GET /v1/erasures',
  'GET /v1/erasures/{erasure}',
]);

/**
 * Explains an event to a user or a session at any hub,
 * and to the others where subscriptions are known.
 */
const EXPLAIN_ROUTE = 'GET /v1/explain';
const SESSION_READER = /[?&](?:user|session)=/;

type RouteForwarder = Pick<SubscriptionForwarder, 'wrap'>;

/**
 * The handlers of a hub in a cluster. They wait until this hub has the events before the cursors of
 * a request, and refuse the routes that a cluster does not have. Without a cluster no handler is
 * wrapped.
 */
export function clusterHandlers(
  handlers: RequestHandlers,
  log: ReachedLog,
  forwarder: RouteForwarder,
): RequestHandlers {
  const { routes, readEvents, upgrade } = handlers;
  return {
    routes: routes.map((route) => clusterRoute(route, log, forwarder)),
    ...readingHandlers({ readEvents, upgrade }, log),
  };
}

function clusterRoute(route: UnauthorizedRoute, log: ReachedLog, forwarder: RouteForwarder): UnauthorizedRoute {
  const { answer, path, subscriptionWork } = route;
  if (!path.startsWith('/v1/')) return route;
  if (subscriptionWork !== undefined)
    return { ...route, answer: forwarder.wrap(answer, subscriptionWork === 'newest') };
  const name = routeName(route);
  if (ERASURE_ROUTES.has(name)) return { ...route, answer: forwarder.wrap(answer, true) };
  const reachAndAnswer: typeof answer = async (...call) => {
    await log.shared?.reachNewest();
    return answer(...call);
  };
  if (NEWEST_ROUTES.has(name)) return { ...route, answer: reachAndAnswer };
  if (name === EXPLAIN_ROUTE) {
    const forward = forwarder.wrap(answer, true);
    const explain: typeof answer = (request, ...call) =>
      (SESSION_READER.test(request.url ?? '') ? reachAndAnswer : forward)(request, ...call);
    return { ...route, answer: explain };
  }
  if (!ROUTES.has(name)) return { ...route, answer: refuseInCluster };
  return reachingRoute(route, log);
}

/** @throws PolycastError `not_in_cluster` */
function refuseInCluster(): never {
  throw new PolycastError('not_in_cluster');
}
