// usage: node ws-fanout.ts PORT
import { createServer } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { readBody } from './read-body.ts';

const readersByChannel = new Map<string, Set<WebSocket>>();

const server = createServer((request, response) => {
  const channel = (request.url ?? '').split('/')[2] ?? '';
  readBody(request, (body) => {
    const frame = Buffer.from(JSON.stringify(JSON.parse(body)));
    for (const reader of readersByChannel.get(channel) ?? []) reader.send(frame, { binary: false });
    response.writeHead(201, { 'content-length': 0 }).end();
  });
});

// With clientTracking, `ws` would keep a second set of all sockets.
const webSockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });

webSockets.on('connection', (socket, request) => {
  const channel = new URL(request.url ?? '/', 'http://localhost').searchParams.get('channel') ?? '';
  let readers = readersByChannel.get(channel);
  if (readers === undefined) readersByChannel.set(channel, (readers = new Set()));
  readers.add(socket);
  socket.on('close', () => readers.delete(socket));
});

server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
