import { createServer } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { addErrorListeners } from './error-safe-socket.ts';

// If a listener returns a value, Node keeps the arguments of every later event in the whole
// process.
test.each(['connection', 'secureConnection'])('an owner of a socket at %s returns nothing', (event) => {
  const server = createServer();
  addErrorListeners(server);
  const [first] = server.listeners(event);
  const socket = new Socket();
  expect((first as (socket: Socket) => unknown)(socket)).toBeUndefined();
  expect(socket.listenerCount('error')).toBe(1);
});
