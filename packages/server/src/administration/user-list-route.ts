import { integerParameter, invalidParameter, singleParameters } from '../http/query.ts';
import type { Route } from '../auth/route.ts';
import type { AdministrationParts } from './administration-parts.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;

/**
 * `GET /v1/users?online=true&limit=&after=` (PROTOCOL.md section 13.5): the online users, ordered
 * by name.
 */
export function userListRoute(parts: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/users',
    requires: 'users',
    handle(request) {
      const values = singleParameters(request.query, ['online', 'limit', 'after']);
      if (values.get('online') !== 'true')
        throw invalidParameter('online', 'must be true, because the hub lists only users who are online');
      const limit = integerParameter(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
      const found = firstAfter(onlineUsers(parts), values.get('after') ?? '', limit + 1);
      const page = found.slice(0, limit);
      request.respondJson(200, {
        users: page.map((user) => userJson(parts, user)),
        next: found.length > limit ? (page.at(-1) ?? null) : null,
      });
    },
  };
}

/** The users with a session, and those that polled recently; some occur twice. */
function* onlineUsers({ sessions, presence }: AdministrationParts): Generator<string> {
  yield* sessions.users();
  yield* presence.onlineUsers();
}

/**
 * The first `count` distinct names after a name, in order. It makes one pass and holds no more
 * names than requested.
 */
export function firstAfter(names: Iterable<string>, after: string, count: number): readonly string[] {
  const first: string[] = [];
  for (const name of names) {
    if (name <= after || (first.length === count && name >= (first.at(-1) as string))) continue;
    const at = insertionIndex(name, first);
    if (first[at] === name) continue;
    first.splice(at, 0, name);
    if (first.length > count) first.pop();
  }
  return first;
}

/** The index of a name in a sorted list, or the index to insert it at. */
function insertionIndex(name: string, sorted: readonly string[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

function userJson({ sessions }: AdministrationParts, user: string): object {
  const open = sessions.ofUser(user);
  const info = open.find(({ principal }) => principal.info !== undefined)?.principal.info;
  return { user, sessions: open.length, ...(info === undefined ? {} : { info }) };
}
