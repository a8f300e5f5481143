import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** What Node's HTTP server hangs on a socket; not documented, so every part is looked at before it is touched. */
interface HttpSocketParts {
  parser?: HttpParser | null;
  _httpMessage?: unknown;
  server?: unknown;
  _paused?: boolean;
}

interface HttpParser {
  unconsume?: () => void;
  remove?: () => void;
  close?: () => void;
  [part: string]: unknown;
}

/**
 * Takes a socket out of Node's HTTP server, as an upgrade does, for an answer that never ends: the parser, the request, the
 * response and the server's listeners are let go, some 10 kB a connection (docs/decisions/0008-detached-sockets.md).
 *
 * When this Node does not look as expected nothing is done: the socket can be written to all the same, it only keeps
 * what it holds, and further requests on it wait behind the answer.
 */
export function detachSocket(request: IncomingMessage, response: ServerResponse): Socket {
  const { socket } = request;
  const parts = socket as unknown as HttpSocketParts;
  const { parser } = parts;
  if (
    !parser ||
    typeof parser.unconsume !== 'function' ||
    typeof parser.remove !== 'function' ||
    typeof parser.close !== 'function'
  )
    return socket;
  response.detachSocket(socket);
  socket.setTimeout(0);
  for (const event of ['timeout', 'data', 'end', 'close', 'drain', 'error', 'resume', 'pause'])
    socket.removeAllListeners(event);
  // The server wraps these to notice when somebody takes its socket over; the wrappers hold the parser.
  const wrapped = ['on', 'addListener', 'prependListener', 'setEncoding'] as const;
  for (const name of wrapped)
    if (Object.hasOwn(socket, name)) Object.assign(socket, { [name]: Socket.prototype[name] });
  parser.unconsume();
  parser.remove();
  parser['socket'] = null;
  parser['incoming'] = null;
  parser['outgoing'] = null;
  parser['onIncoming'] = null;
  parts.parser = null;
  parts._httpMessage = null;
  parts.server = null;
  parts._paused = false;
  // Its code is still running below this call.
  setImmediate(closeParser, parser);
  return socket;
}

function closeParser(parser: HttpParser): void {
  parser.close?.();
}
