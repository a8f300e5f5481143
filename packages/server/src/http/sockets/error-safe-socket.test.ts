import { createServer } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { addErrorListeners } from './error-safe-socket.ts';

// For a listener that returns something Node keeps the arguments of every event, in the whole process and from then on.
test.each(['connection', 'secureConnection'])('what owns a socket at %s returns nothing', (event) => {
  const server = createServer();
  addErrorListeners(server);
  const [first] = server.listeners(event);
  const socket = new Socket();
  expect((first as (socket: Socket) => unknown)(socket)).toBeUndefined();
  expect(socket.listenerCount('error')).toBe(1);
});
