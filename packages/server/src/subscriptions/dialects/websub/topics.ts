import { isChannel } from '@polycast/protocol';
import { createHash } from 'node:crypto';

/** A topic as a subscriber or a publisher names it. */
export interface Topic {
  readonly url: string;
  /** The channel that it is, or, for somebody else's, under which the hub keeps it. */
  readonly channel: string;
  /** Somebody else's: the hub fetches it when it is told that it has changed. */
  readonly isExternal: boolean;
}

/** Where foreign topics are kept; nobody but the hub publishes below `polycast.`. */
export const EXTERNAL_CHANNEL_PREFIX = 'polycast.websub.';

/**
 * What a topic's URL stands for; `undefined` when this hub is not its hub.
 * @param given as it is told to the subscriber again
 * @param bases where this hub is reached: `https://hub.example`, or with a path
 * @param prefixes what foreign topics' URLs may begin with
 */
export function topicOf(given: string, bases: readonly string[], prefixes: readonly string[]): Topic | undefined {
  const url = withUnreservedDecoded(given);
  const own = ownChannel(url, bases);
  if (own !== undefined) return { url: given, channel: own, isExternal: false };
  if (!prefixes.some((prefix) => beginsWith(url, prefix))) return undefined;
  return {
    url,
    channel: EXTERNAL_CHANNEL_PREFIX + createHash('sha256').update(url).digest('base64url'),
    isExternal: true,
  };
}

/** "Hubs MUST always decode non-reserved characters" (WebSub section 5.1): two spellings of a URL are one topic (RFC 3986, section 6.2.2.2). */
function withUnreservedDecoded(url: string): string {
  return url.replace(/%(?:2[DE]|3\d|4[1-9A-F]|5[0-9A]|5F|6[1-9A-F]|7[0-9A]|7E)/gi, (escape) =>
    String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
  );
}

/** By whatever scheme: a proxy may have ended TLS. What the hub's own address does not answer, such as a query, is no topic. */
function ownChannel(url: string, bases: readonly string[]): string | undefined {
  const address = withoutScheme(url);
  for (const base of bases) {
    const channels = `${withoutScheme(base)}/v1/channels/`;
    if (!address.startsWith(channels)) continue;
    const channel = address.slice(channels.length);
    return isChannel(channel) ? channel : undefined;
  }
  return undefined;
}

function withoutScheme(url: string): string {
  const { host, pathname, search, protocol } = new URL(url);
  // The default port of either scheme is none.
  const bare = protocol === 'https:' ? host.replace(/:80$/, '') : host.replace(/:443$/, '');
  return bare + (pathname === '/' ? '' : pathname) + search;
}

/** `https://news.example` must not let in `https://news.example.evil.example`. */
function beginsWith(url: string, prefix: string): boolean {
  const [given, wanted] = [new URL(url), new URL(prefix)];
  if (given.origin !== wanted.origin) return false;
  const path = wanted.pathname;
  return given.pathname === path || given.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}
