import * as z from 'zod';
import { invalidParameter } from '../http/refusals.ts';
import type { Route } from '../auth/route.ts';
import { json, queryParameter, response } from '../http/route-description.ts';
import { anyValue, count, named, page, silentHubs, user } from '../http/openapi/schemas.ts';
import { firstPage, limitParameter, readQuery, textParameter } from '../http/query-parameter.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { askOthers } from './other-hubs.ts';

const ONLINE = queryParameter('online', z.literal('true'), 'The hub knows only the users who are online.');
const LIMIT = limitParameter(1000, 100, 'The maximum number of users.');
const AFTER = textParameter('after', z.string(), '`next` of the previous page.');
const PARAMETERS = [{ ...ONLINE, required: true }, LIMIT, AFTER];

/**
 * `GET /v1/users?online=true&limit=&after=` (PROTOCOL.md section 13.5): the online users, ordered
 * by name.
 */
export function userListRoute(parts: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/users',
    requires: 'users',
    description: () => ({
      operationId: 'listUsers',
      summary: 'Lists the users who are online, sorted by name.',
      section: '13.5',
      details: 'The key needs the scope `users`.',
      parameters: PARAMETERS,
      responses: [response(200, 'A page.', json(userListSchema(), '`next` is the `after` of the next page.'))],
      errors: ['invalid_parameter'],
    }),
    async handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      if (values.get('online') !== 'true')
        throw invalidParameter('online', 'must be true, because the hub lists only users who are online');
      const limit = LIMIT.read(values);
      const [after, count] = [AFTER.read(values) ?? '', limit + 1];
      const { answers, silence } = await askOthers<readonly ListedUser[]>(parts.log, { kind: 'users', after, count });
      const found = mergeUsers([listedUsers(parts, after, count), ...answers]);
      const { shown, next } = firstPage(found, limit, (each) => each.user);
      request.respondJson(200, { users: shown, next, ...silence });
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

const userListSchema = named('UserList', () =>
  page(
    'users',
    z.object({
      user: user(),
      sessions: count('The number of sessions; 0 for a user who polled recently.'),
      info: anyValue({
        description: 'Information of the site about the user.',
        examples: [{ name: 'Ann' }],
      }).optional(),
    }),
    z.string(),
    { silentHubs: silentHubs() },
  ),
);

export interface ListedUser {
  readonly user: string;
  readonly sessions: number;
  readonly info?: unknown;
}

/** The first users after a name who are online at this hub. */
export function listedUsers(parts: AdministrationParts, after: string, count: number): readonly ListedUser[] {
  return firstAfter(onlineUsers(parts), after, count).map((user) => {
    const open = parts.sessions.ofUser(user);
    const info = open.find(({ principal }) => principal.info !== undefined)?.principal.info;
    return { user, sessions: open.length, ...(info === undefined ? {} : { info }) };
  });
}

/**
 * The users of several hubs by name, each once. The first `count` of all are among those of each.
 */
function mergeUsers(lists: readonly (readonly ListedUser[])[]): readonly ListedUser[] {
  if (lists.length === 1) return lists[0] ?? [];
  const merged = new Map<string, ListedUser>();
  for (const listed of lists.flat()) {
    const known = merged.get(listed.user);
    merged.set(
      listed.user,
      known === undefined ? listed : { ...listed, ...known, sessions: known.sessions + listed.sessions },
    );
  }
  return [...merged.values()].toSorted((one, other) => (one.user < other.user ? -1 : 1));
}
