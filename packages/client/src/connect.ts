import { createConnection, type Connection } from './connection.ts';
import type { ConnectOptions } from './options.ts';
import { standForLeader } from './tabs/leader.ts';
import { createTab } from './transports/tab.ts';

/**
 * Connects to a hub, as soon as something is subscribed to. `connect('https://hub.example')`, or `connect('/')` in a page that
 * the hub's own address serves. Throws TypeError for options that cannot be met.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  // The tabs remember their places themselves, and not the connection that they share.
  const { share, remember: _remember, ...shared } = options;
  if (share === true && options.token !== undefined) throw new TypeError('With a token, share needs a name.');
  // Where tabs cannot find each other, each has a connection of its own.
  if (!share || !globalThis.navigator?.locks || !globalThis.BroadcastChannel) return createConnection(url, options);
  const name = `polycast ${url} ${share}`;
  const end = standForLeader(name, () => createConnection(url, shared));
  return createConnection(url, options, { open: createTab(name), end });
}
