import { once } from 'node:events';
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';

const port = Number(process.env.PORT ?? 3917);

// The backend: Socket.IO runs in the process of the site. A socket joins the room of an order.
const site = createServer().listen(port, '127.0.0.1');
await once(site, 'listening');
const server = new Server(site);
server.on('connection', (socket) => {
  socket.on('follow', async (order, done) => {
    await socket.join(`orders:${order}`);
    done();
  });
});

// The page.
const socket = io(`http://127.0.0.1:${port}`);
socket.onAny((type, data) => {
  console.log(type, data);
  if (type !== 'order.sent') return;
  socket.close();
  void server.close();
});
await socket.emitWithAck('follow', 42);

// The backend again.
for (const type of ['order.placed', 'order.baked', 'order.sent']) server.to('orders:42').emit(type, { order: 42 });
