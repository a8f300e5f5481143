// usage: node socket-io.ts PORT
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { readBody } from './read-body.ts';

// Pings are less frequent than by default (25 s), so that no run contains one.
const pingIntervalMs = 300_000;

const server = createServer();
const io = new Server(server, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  pingInterval: pingIntervalMs,
});

io.on('connection', (socket) => {
  void socket.join(String(socket.handshake.query['channel']));
  // As its performance guide advises: release the first request, which the connection would keep in
  // memory.
  (socket.conn as { request: unknown }).request = null;
});

server.on('request', (request, response) => {
  const [, route, channel = ''] = (request.url ?? '').split('/');
  if (route !== 'publish') return;
  readBody(request, (body) => {
    io.to(channel).emit('event', JSON.parse(body));
    response.writeHead(201, { 'content-length': 0 }).end();
  });
});

server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
