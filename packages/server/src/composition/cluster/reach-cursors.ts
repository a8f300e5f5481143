import { parseCursor, type Cursor } from '@polycast/protocol';
import type { IncomingMessage } from 'node:http';
import { cursorOfTag } from '../../core/events/entity-tag.ts';
import type { Log } from '../../core/ports.ts';
import { parseEntityTags } from '../../http/headers/conditional-headers.ts';
import type { RequestHandlers } from '../../http/http-frontend.ts';
import type { UnauthorizedRoute } from '../../http/route.ts';

export type ReachedLog = Pick<Log, 'reach' | 'shared'>;

/**
 * The handlers of a follower whose owner is a hub of a cluster. They wait until this process has
 * the events before the cursors of a request. Another hub may have given them.
 */
export function reachingHandlers({ routes, ...reading }: RequestHandlers, log: ReachedLog): RequestHandlers {
  return {
    routes: routes.map((route) => (route.path.startsWith('/v1/') ? reachingRoute(route, log) : route)),
    ...readingHandlers(reading, log),
  };
}

/** The handlers of streams and WebSockets, which wait in the same way. */
export function readingHandlers(
  { readEvents, upgrade }: Omit<RequestHandlers, 'routes'>,
  log: ReachedLog,
): Omit<RequestHandlers, 'routes'> {
  return {
    readEvents: (request, response, connection) => {
      const reaching = reachCursors(request, log);
      return reaching === undefined
        ? readEvents(request, response, connection)
        : reaching.then(() => readEvents(request, response, connection));
    },
    upgrade: async (request, socket, head) => {
      await reachCursors(request, log);
      return upgrade(request, socket, head);
    },
  };
}

/** A route that waits in the same way. */
export function reachingRoute(route: UnauthorizedRoute, log: ReachedLog): UnauthorizedRoute {
  const { answer } = route;
  return {
    ...route,
    answer(request, response, parameters, query) {
      const reaching = reachCursors(request, log);
      return reaching === undefined
        ? answer(request, response, parameters, query)
        : reaching.then(() => answer(request, response, parameters, query));
    },
  };
}

/** Waits for the cursors of a request that may be ahead of this hub. */
function reachCursors(request: IncomingMessage, log: ReachedLog): Promise<void> | undefined {
  let reaching: Promise<void> | undefined;
  for (const cursor of cursorsOf(request)) reaching ??= log.reach?.(cursor);
  return reaching;
}

function* cursorsOf({ url = '', headers }: IncomingMessage): Generator<Cursor, void> {
  const texts: string[] = [];
  // Most publishes have no query.
  if (url.includes('?'))
    for (const [, text = ''] of url.matchAll(/[?&](?:after|before|lastEventId)=([^&]*)/g)) texts.push(text);
  const lastEventId = headers['last-event-id'];
  if (typeof lastEventId === 'string') texts.push(lastEventId);
  for (const header of [headers['if-none-match'], headers['if-match']]) {
    const tags = header === undefined ? '*' : parseEntityTags(header);
    if (tags !== '*') texts.push(...tags.map(cursorOfTag));
  }
  for (const text of texts) {
    const cursor = parseCursor(text);
    if (cursor !== undefined) yield cursor;
  }
}
