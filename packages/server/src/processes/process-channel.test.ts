import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { PolycastError } from '@polycast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { decodeJson, encodeJson, ProcessChannel, type MessageHandler } from './process-channel.ts';

interface Pair {
  readonly here: ProcessChannel;
  readonly there: Socket;
  readonly handlers: Map<string, MessageHandler>;
}

/** A channel whose other end answers with these handlers. */
async function openPair(): Promise<Pair> {
  const handlers = new Map<string, MessageHandler>();
  const server = createServer((socket) => void new ProcessChannel(socket, (name) => handlers.get(name)));
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const [there] = await accepted;
  onTestFinished(() => {
    socket.destroy();
    there.destroy();
    server.close();
  });
  return { here: new ProcessChannel(socket, () => undefined), there, handlers };
}

test('notes and requests arrive in order, with bodies of any size', async () => {
  const { here, handlers } = await openPair();
  const seen: number[] = [];
  handlers.set('size', (body) => void seen.push(body.length));
  handlers.set('sizes', () => encodeJson(seen));
  const sizes = [0, 1, 65_535, 65_536, 3_000_000, 7];
  for (const size of sizes) here.send('size', Buffer.alloc(size));
  expect(decodeJson(await here.request('sizes', Buffer.alloc(0)))).toEqual(sizes);
});

test('a refusal arrives with its code and its extensions', async () => {
  const { here, handlers } = await openPair();
  handlers.set('append', () => {
    throw new PolycastError('log_full', 'The disk is full.', { retryAfterMs: 5 });
  });
  await expect(here.request('append', Buffer.alloc(0))).rejects.toMatchObject({
    code: 'log_full',
    message: 'The disk is full.',
    extensions: { retryAfterMs: 5 },
  });
  await expect(here.request('unknown', Buffer.alloc(0))).rejects.toMatchObject({ code: 'internal_error' });
});

test('requests in flight are rejected when the other process ends, and later ones too', async () => {
  const { here, there, handlers } = await openPair();
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  handlers.set('never', () => {
    resolve();
    return new Promise(() => undefined);
  });
  const pending = here.request('never', Buffer.alloc(0));
  await arrived;
  there.destroy();
  await expect(pending).rejects.toMatchObject({ code: 'log_unavailable' });
  await expect(here.request('never', Buffer.alloc(0))).rejects.toMatchObject({ code: 'log_unavailable' });
});

test('a paused channel handles what has arrived only after it resumes', async () => {
  const { here, there } = await openPair();
  const seen: string[] = [];
  const paused: ProcessChannel = new ProcessChannel(there, (name) => () => {
    seen.push(name);
    if (name === 'welcome') paused.pause();
  });
  // They usually arrive in one piece: without the pause all three would be handled in its turn.
  for (const name of ['welcome', 'events', 'events']) here.send(name, Buffer.alloc(0));
  await expect.poll(() => seen).not.toEqual([]);
  expect(seen).toEqual(['welcome']);
  paused.resume();
  await expect.poll(() => seen).toEqual(['welcome', 'events', 'events']);
});
