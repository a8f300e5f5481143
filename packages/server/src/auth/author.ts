import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import { isUser } from '../core/access/private-channel.ts';
import { authorMembers, type Author } from '../core/publish.ts';
import type { AuthorizedRequest } from './authorized-request.ts';
import { addressKey } from '../core/primitives/address-key.ts';
import { firstParameter } from '../http/query.ts';
import { toByteText } from '../http/headers/header-value.ts';
import { invalidParameter } from '../http/refusals.ts';

/**
 * The author of a published event (PROTOCOL.md section 13.7).
 * @throws PolycastError `invalid_parameter`
 */
export function authorOf(request: AuthorizedRequest): Author | undefined {
  const { principal } = request;
  const named = firstParameter(request.query, 'client');
  const client = named === undefined ? undefined : checkClient(named);
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
  return toByteText(authorMembers(kind === 'user' ? user : undefined, origin) as string);
}

/** A client's own name for itself. */
export const CLIENT: RegExp = /^[A-Za-z0-9_-]{1,64}$/;

/** @throws PolycastError `invalid_parameter` */
export function checkClient(client: string): string {
  if (CLIENT.test(client)) return client;
  throw invalidParameter('client', 'must have 1 to 64 characters of A-Z a-z 0-9 _ -');
}

/** The refusal of a name of a user, in a path or in an event. */
export const USER_RULE = 'The name of a user must have 1 to 128 characters and no control characters.';

/** The name of a user in the path. @throws PolycastError `invalid_parameter` */
export function checkUserParameter(user: string): string {
  if (isUser(user)) return user;
  throw new PolycastError('invalid_parameter', USER_RULE, { parameter: 'user' });
}
