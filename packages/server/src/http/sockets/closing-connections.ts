import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Closes the connection after a response. Requests that follow on it are ignored (RFC 9112 section
 * 9.6). Their client must send them again on another connection, so a publish among them must not
 * take effect.
 *
 * Example: the body of a refused request is not read to its end.
 * What looks like a request behind it may be a part of that body.
 */
export function closeAfter(response: ServerResponse): void {
  response.shouldKeepAlive = false;
  if (response.req.httpVersionMajor === 1) (response.req.socket as ClosingSocket)[CLOSING] = true;
}

/** Whether requests of a connection are no longer handled. */
export function isClosing(socket: ClosingSocket): boolean {
  return socket[CLOSING] === true || socket.writableEnded;
}

const CLOSING: unique symbol = Symbol('closing');

interface ClosingSocket extends Socket {
  [CLOSING]?: true;
}
