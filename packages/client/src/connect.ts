import { createConnection, type Connection } from './connection.ts';
import type { ConnectOptions } from './options.ts';
import { standForLeader } from './tabs/leader.ts';
import { createTab } from './transports/tab.ts';

/**
 * Connects to a hub, as soon as something is subscribed to. `connect('https://hub.example')`, or `connect('/')` in a page that
 * the hub's own address serves.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  const name = options.share === undefined || options.share === false ? undefined : shareName(url, options);
  if (name === undefined) return createConnection(url, options);
  // The tabs remember their places themselves.
  const { remember: _remember, ...shared } = options;
  const resign = standForLeader(name, () => createConnection(url, shared));
  const connection = createConnection(url, options, createTab(name));
  return {
    subscribe: connection.subscribe,
    publish: connection.publish,
    on: connection.on,
    get state() {
      return connection.state;
    },
    close() {
      connection.close();
      resign();
    },
  };
}

/** Undefined where tabs cannot find each other: each has a connection of its own then. */
function shareName(url: string | URL, { share, token }: ConnectOptions): string | undefined {
  if (globalThis.navigator?.locks === undefined || globalThis.BroadcastChannel === undefined) return undefined;
  if (share === true && typeof token === 'function')
    throw new TypeError('Tabs whose token comes from a function need a name to share by: share: "<user>".');
  const address = new URL(url, globalThis.location?.href).href;
  return `polycast ${address} ${share === true ? hash(token as string | undefined) : share}`;
}

/** Tabs of another user have another name; the token itself is not put where it can be listed. */
function hash(text = ''): string {
  let sum = 0x811c9dc5;
  for (const character of text) sum = Math.imul(sum ^ (character.codePointAt(0) as number), 0x01000193);
  return (sum >>> 0).toString(36);
}
