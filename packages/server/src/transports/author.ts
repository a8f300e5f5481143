import type { Principal } from '../core/principal.ts';
import { authorship, type Author } from '../core/publish.ts';
import type { AuthorizedRequest } from './authorized-request.ts';
import { countedAs } from '../core/counted-address.ts';
import { checkClient, parameters } from './events-query.ts';

/** Who publishes by a request (PROTOCOL.md section 13.7). @throws PolycastError `invalid_parameter` */
export function authorOf(request: AuthorizedRequest): Author | undefined {
  const { principal } = request;
  const client = clientOf(request.url);
  if (principal.kind === 'server' && client === undefined) return undefined;
  return author(principal, client, principal.kind === 'anonymous' ? request.address : '');
}

/**
 * @param origin the client or session that is named in the event
 * @param address where whoever is not known asks from
 */
export function author({ kind, user }: Principal, origin: string | undefined, address: string): Author {
  const members = authorship(kind === 'user' ? user : undefined, origin);
  if (kind === 'server') return { members, client: undefined, keys: undefined };
  if (user === undefined) return { members, client: `address ${countedAs(address)}`, keys: 'anonymous' };
  return { members, client: `user ${user}`, keys: `user ${user}` };
}

/** How a client's own events name it, one character a byte (`withoutOwn`). */
export function markOf({ kind, user }: Principal, origin: string): string {
  return Buffer.from(authorship(kind === 'user' ? user : undefined, origin) as string).toString('latin1');
}

/** What `?client=` says, if anything. */
function clientOf(url: string): string | undefined {
  const question = url.indexOf('?');
  if (question < 0) return undefined;
  for (const [name, value] of parameters(url.slice(question + 1))) if (name === 'client') return checkClient(value);
  return undefined;
}
