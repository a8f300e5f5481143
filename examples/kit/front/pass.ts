import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';

const agent = new Agent({ keepAlive: true });

/** Passes a request on as it is, and its answer as it comes. */
export function passRequest(request: IncomingMessage, response: ServerResponse, target: string): void {
  const { method, headers, url: path } = request;
  const { hostname, port } = new URL(target);
  const passed = httpRequest({ hostname, port, method, path, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    // A stream may have no event for long: its head goes at once.
    response.flushHeaders();
    answer.on('error', () => response.destroy());
    answer.pipe(response);
  });
  passed.on('error', () => {
    // The target has closed an idle connection at the moment of its next use.
    if (passed.reusedSocket && method === 'GET' && !response.headersSent) passRequest(request, response, target);
    else if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  request.pipe(passed);
  response.on('close', () => passed.destroy());
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
