import type { Principal } from '../core/access/principal.ts';
import { authorMembers, type Author } from '../core/publish.ts';
import type { AuthorizedRequest } from './authorized-request.ts';
import { addressKey } from '../core/primitives/address-key.ts';
import { checkClient, parseQueryPairs } from '../streams/events-query.ts';

/**
 * The author of a published event (PROTOCOL.md section 13.7).
 * @throws PolycastError `invalid_parameter`
 */
export function authorOf(request: AuthorizedRequest): Author | undefined {
  const { principal } = request;
  const client = clientParameter(request.url);
  if (principal.kind === 'server' && client === undefined) return undefined;
  return author(principal, client, principal.kind === 'anonymous' ? request.address : '');
}

/**
 * @param origin the client or session that the event names
 * @param address the address of an anonymous publisher
 */
export function author({ kind, user }: Principal, origin: string | undefined, address: string): Author {
  const members = authorMembers(kind === 'user' ? user : undefined, origin);
  if (kind === 'server') return { eventMembers: members, clientKey: undefined, idempotencyScope: undefined };
  if (user === undefined)
    return { eventMembers: members, clientKey: `address ${addressKey(address)}`, idempotencyScope: 'anonymous' };
  return { eventMembers: members, clientKey: `user ${user}`, idempotencyScope: `user ${user}` };
}

/**
 * The bytes that mark a client's own events, with one character per byte, for `withoutOwnEvents`.
 */
export function ownEventMarker({ kind, user }: Principal, origin: string): string {
  return Buffer.from(authorMembers(kind === 'user' ? user : undefined, origin) as string).toString('latin1');
}

/** The value of `?client=`, if any. */
function clientParameter(url: string): string | undefined {
  const question = url.indexOf('?');
  if (question < 0) return undefined;
  for (const [name, value] of parseQueryPairs(url.slice(question + 1)))
    if (name === 'client') return checkClient(value);
  return undefined;
}
