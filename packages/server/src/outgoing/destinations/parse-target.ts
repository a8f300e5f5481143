import type { Destinations } from './destinations.ts';
import { OutgoingError } from '../outgoing-error.ts';

/**
 * Parses and checks a URL, without a name look-up.
 * @throws OutgoingError `url`
 */
export function parseTarget(url: string, { tlsOnly }: { readonly tlsOnly: boolean }, destinations: Destinations): URL {
  const target = URL.parse(url);
  if (target === null || (target.protocol !== 'http:' && target.protocol !== 'https:'))
    throw new OutgoingError('url', 'it is not an http or https URL');
  if (target.username !== '' || target.password !== '')
    throw new OutgoingError('url', 'it contains a user name or a password');
  const isOpen = target.protocol === 'https:' || !tlsOnly || destinations.trusts(target.hostname, portOf(target));
  if (!isOpen) throw new OutgoingError('url', 'it must be https, because others could change requests on the way');
  return target;
}

export function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}
