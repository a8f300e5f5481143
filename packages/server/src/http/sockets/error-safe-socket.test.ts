import { createServer } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { addErrorListeners, removeListeners } from './error-safe-socket.ts';

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

test('without its listeners a socket keeps that of errors, and takes new ones of any event', () => {
  const socket = new Socket();
  const ended: string[] = [];
  socket.on('end', () => ended.push('before'));
  expect(removeListeners(socket).eventNames()).toEqual(['error']);
  socket.once('end', () => ended.push('once'));
  socket.on('end', () => ended.push('after'));
  socket.once('drain', () => ended.push('drain'));
  for (const event of ['end', 'drain', 'end', 'drain', 'close']) socket.emit(event);
  expect(ended).toEqual(['once', 'after', 'drain', 'after']);
  expect(socket.eventNames()).toEqual(['error', 'end']);
  expect(() => socket.emit('error', new Error('reset'))).not.toThrow();
});

test('the table of listeners has no listener of another socket', () => {
  const [first, second] = [removeListeners(new Socket()), removeListeners(new Socket())];
  first.on('data', () => undefined);
  expect([first.listenerCount('data'), second.listenerCount('data')]).toEqual([1, 0]);
});
