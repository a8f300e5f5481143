import { randomId } from '../random-id.ts';
import type { HubContext, Platform } from '../http.ts';
import { createConnection } from './connection.ts';
import type { Connection } from './interface.ts';
import type { ConnectOptions } from './options.ts';
import { createTokens } from './tokens.ts';

/**
 * Connects to a hub at the first subscription. `connect('https://hub.example')`, or `connect('/')`
 * in a page from the hub's own address. Throws TypeError for invalid combinations of options.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  // Each tab remembers its own cursors; the shared connection does not.
  const { share, remember: _remember, ...shared } = options;
  // Tabs publish through the leading tab, and would not recognise their own events.
  if (share && options.excludeSelf) throw new TypeError('excludeSelf with share.');
  const hub: HubContext = { ...platformOf(options), url: eventsUrl(url, options), tokens: createTokens(options) };
  return createConnection(
    hub,
    options,
    share?.join(String(url), () => createConnection(hub, shared)),
  );
}

/**
 * The URL of `/v1/events` below `url`: `https://hub.example/`, with a path if the hub is behind
 * one. In a page it may be relative.
 */
function eventsUrl(url: string | URL, { excludeSelf }: ConnectOptions): URL {
  const base = new URL(url, globalThis.location?.href);
  base.protocol = base.protocol.replace('ws', 'http');
  base.pathname = base.pathname.replace(/\/?$/, '/v1/events');
  // One client name for the whole life of the connection, over all reconnects.
  if (excludeSelf) base.search = `exclude=self&client=${randomId()}`;
  return base;
}

function platformOf({
  fetch = globalThis.fetch,
  WebSocket = globalThis.WebSocket,
  credentials,
}: ConnectOptions): Platform {
  // Called without an object: browsers throw when `fetch` is called as a method of another object.
  return { fetch: (input, init) => fetch(input, { ...(credentials && { credentials }), ...init }), WebSocket };
}
