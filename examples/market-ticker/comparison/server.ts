import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

/**
 * The same ticker with bare `ws`: the exchange sends its events here,
 * and viewers say what they follow.
 */
interface PriceEvent {
  readonly channel: string;
  readonly data: unknown;
}

// As in the documentation of ws. A viewer that stalls for less is not ended.
const PING_MS = 30_000;
const latest = new Map<string, string>();
const followers = new Map<string, Set<WebSocket>>();
const alive = new WeakSet<WebSocket>();

const server = createServer(async (request, response) => {
  const events = JSON.parse((await request.toArray()).join('')) as PriceEvent[];
  for (const event of events) {
    const text = JSON.stringify(event);
    latest.set(event.channel, text);
    for (const socket of followers.get(event.channel) ?? []) socket.send(text);
  }
  response.end();
});

const viewers = new WebSocketServer({ server });
viewers.on('connection', (socket) => {
  let followed: readonly string[] = [];
  alive.add(socket);
  socket.on('pong', () => alive.add(socket));
  socket.on('error', () => socket.terminate());
  socket.on('close', () => unfollow(socket, followed));
  socket.on('message', (message) => {
    const channels = parse(String(message));
    if (channels === undefined) return socket.close(1003);
    unfollow(
      socket,
      followed.filter((channel) => !channels.includes(channel)),
    );
    for (const channel of channels) {
      const value = latest.get(channel);
      if (value !== undefined && !followed.includes(channel)) socket.send(value);
      let sockets = followers.get(channel);
      if (sockets === undefined) followers.set(channel, (sockets = new Set()));
      sockets.add(socket);
    }
    followed = channels;
  });
});

/** Connections that no longer answer. */
setInterval(() => {
  for (const socket of viewers.clients) {
    if (!alive.has(socket)) socket.terminate();
    alive.delete(socket);
    if (socket.readyState === WebSocket.OPEN) socket.ping();
  }
}, PING_MS);

server.listen(Number(process.env['PORT']), '127.0.0.1');

function unfollow(socket: WebSocket, channels: readonly string[]): void {
  for (const channel of channels) {
    const sockets = followers.get(channel);
    sockets?.delete(socket);
    if (sockets?.size === 0) followers.delete(channel);
  }
}

function parse(message: string): string[] | undefined {
  try {
    const { follow } = JSON.parse(message) as { follow: unknown };
    return Array.isArray(follow) && follow.every((channel) => typeof channel === 'string') ? follow : undefined;
  } catch {
    return undefined;
  }
}
