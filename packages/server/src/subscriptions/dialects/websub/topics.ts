import { isChannel } from '@polycast/protocol';
import { createHash } from 'node:crypto';

/**
 * A topic is a URL whose content subscribers receive. It is a channel of this hub, such as
 * `https://hub.example/v1/channels/news`, or an external topic: a document of another site.
 */
export interface Topic {
  readonly url: string;
  /**
   * The topic's channel. The content of an external topic is published to a channel under
   * `EXTERNAL_CHANNEL_PREFIX`.
   */
  readonly channel: string;
  /** Whether the topic is a document of another site. The hub fetches it after a ping. */
  readonly isExternal: boolean;
}

/** Prefix of the channels of external topics. Only the hub publishes below `polycast.`. */
export const EXTERNAL_CHANNEL_PREFIX = 'polycast.websub.';

/**
 * The topic of a URL; `undefined` if this hub does not serve it.
 * @param given the URL as the subscriber named it; the hub's requests to the subscriber repeat it
 * @param bases URLs of this hub, such as `https://hub.example`, also with a path
 * @param prefixes allowed URL prefixes of external topics
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

/**
 * "Hubs MUST always decode non-reserved characters" (WebSub section 5.1): two spellings of a URL
 * are one topic (RFC 3986, section 6.2.2.2).
 */
function withUnreservedDecoded(url: string): string {
  return url.replace(/%(?:2[DE]|3\d|4[1-9A-F]|5[0-9A]|5F|6[1-9A-F]|7[0-9A]|7E)/gi, (escape) =>
    String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
  );
}

/**
 * The channel of a URL of this hub. The scheme is ignored, because a proxy may terminate TLS. A URL
 * with a query is no topic, because it is no channel's address.
 */
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
  // Removes the default port of the other scheme too.
  const bare = protocol === 'https:' ? host.replace(/:80$/, '') : host.replace(/:443$/, '');
  return bare + (pathname === '/' ? '' : pathname) + search;
}

/** The prefix `https://news.example` must not allow `https://news.example.evil.example`. */
function beginsWith(url: string, prefix: string): boolean {
  const [given, wanted] = [new URL(url), new URL(prefix)];
  if (given.origin !== wanted.origin) return false;
  const path = wanted.pathname;
  return given.pathname === path || given.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}
