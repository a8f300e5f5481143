import {
  Agent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { connect, type Socket } from 'node:net';

const agent = new Agent({ keepAlive: true });

/**
 * Passes a request on as it is, and its answer as it comes.
 *
 * A service closes its idle connections, and may do so at the moment of their next use. A `GET` is
 * sent again then. Other requests may not be, so each has a connection of its own.
 */
export function passRequest(request: IncomingMessage, response: ServerResponse, target: string): void {
  const { method, url: path } = request;
  const headers = withoutConnection(request.headers);
  const { hostname, port } = new URL(target);
  const isRepeatable = method === 'GET';
  const connections = isRepeatable ? agent : false;
  const passed = httpRequest({ hostname, port, method, path, headers, agent: connections }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, withoutConnection(answer.headers));
    // A stream may have no event for long: its head goes at once.
    response.flushHeaders();
    answer.on('error', () => response.destroy());
    answer.pipe(response);
  });
  passed.on('error', () => {
    if (passed.reusedSocket && isRepeatable && !response.headersSent) passRequest(request, response, target);
    else if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  request.pipe(passed);
  response.on('close', () => passed.destroy());
}

/**
 * Without the headers about one connection (RFC 9110 section 7.6.1): the client's stays open when
 * that to the service ends.
 */
function withoutConnection(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { connection: _connection, 'keep-alive': _keepAlive, ...others } = headers;
  return others;
}

/** Passes the request for a WebSocket on, then the bytes of both sides. */
export function passUpgrade(request: IncomingMessage, socket: Socket, head: Buffer, target: string): void {
  const { hostname, port } = new URL(target);
  const upstream = connect(Number(port), hostname, () => {
    const { method, url, rawHeaders } = request;
    const lines = rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`));
    upstream.write(`${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
  });
  for (const [one, other] of [
    [socket, upstream],
    [upstream, socket],
  ] as const)
    one.on('close', () => other.destroy()).on('error', () => other.destroy());
}
