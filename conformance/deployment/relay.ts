import { connect, createServer, type Socket } from 'node:net';

/**
 * Forwards connections from a socket in the file system to a port of the network namespace that
 * this program runs in: `node relay.ts SOCKET PORT`. A test thus reaches a hub in a namespace.
 */
if (import.meta.main) {
  const [path, port] = process.argv.slice(2);
  createServer({ allowHalfOpen: true }, (incoming) => joinSockets(incoming, connect(Number(port), '127.0.0.1'))).listen(
    path,
  );
}

/** What one receives, the other sends; when one breaks, the other does. */
export function joinSockets(one: Socket, other: Socket): void {
  other.allowHalfOpen = true;
  one.pipe(other).pipe(one);
  one.on('error', () => other.destroy()).on('close', () => other.destroy());
  other.on('error', () => one.destroy()).on('close', () => one.destroy());
}
