import { randomId } from '../random-id.ts';
import type { HubContext, Platform } from '../http.ts';
import { createConnection, type Connection } from './connection.ts';
import type { ConnectOptions } from './options.ts';
import { createTokens } from './tokens.ts';

/**
 * Connects to a hub, as soon as something is subscribed to. `connect('https://hub.example')`, or `connect('/')` in a page that
 * the hub's own address serves. Throws TypeError for options that cannot be met.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  // The tabs remember their places themselves, and not the connection that they share.
  const { share, remember: _remember, ...shared } = options;
  // Tabs publish by the one that leads, and would not know their own events again.
  if (share && options.excludeSelf) throw new TypeError('excludeSelf with share.');
  const hub: HubContext = { ...platformOf(options), url: eventsUrl(url, options), tokens: createTokens(options) };
  return createConnection(
    hub,
    options,
    share?.join(String(url), () => createConnection(hub, shared)),
  );
}

/** `https://hub.example/`, with a path where the hub is behind one; in a page it may be relative. */
function eventsUrl(url: string | URL, { excludeSelf }: ConnectOptions): URL {
  const base = new URL(url, globalThis.location?.href);
  base.protocol = base.protocol.replace('ws', 'http');
  base.pathname = base.pathname.replace(/\/?$/, '/v1/events');
  // One name for the connection's whole life, however often it comes back.
  if (excludeSelf) base.search = `exclude=self&client=${randomId()}`;
  return base;
}

function platformOf({
  fetch = globalThis.fetch,
  WebSocket = globalThis.WebSocket,
  credentials,
}: ConnectOptions): Platform {
  const always = credentials && { credentials };
  // Called without an object: browsers refuse `fetch` as a method of another.
  return { fetch: (input, init) => fetch(input, { ...always, ...init }), WebSocket };
}
