import { createConnection, type Connection } from './connection.ts';
import type { ConnectOptions } from './options.ts';

/**
 * Connects to a hub, as soon as something is subscribed to. `connect('https://hub.example')`, or `connect('/')` in a page that
 * the hub's own address serves. Throws TypeError for options that cannot be met.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  // The tabs remember their places themselves, and not the connection that they share.
  const { share, remember: _remember, ...shared } = options;
  return createConnection(
    url,
    options,
    share?.join(String(url), () => createConnection(url, shared)),
  );
}
