import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { PolycastError } from '@polycast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { decodeJson, encodeJson, ProcessChannel, type MessageHandler } from './process-channel.ts';

interface Pair {
  readonly here: ProcessChannel;
  readonly there: Socket;
  readonly handlers: Map<string, MessageHandler>;
  /** The faults of the other end, and their messages. */
  readonly faults: [error: unknown, message: string][];
}

/** A channel whose other end answers with these handlers. */
async function openPair(): Promise<Pair> {
  const handlers = new Map<string, MessageHandler>();
  const faults: Pair['faults'] = [];
  const onFault = (...fault: Pair['faults'][number]): void => void faults.push(fault);
  const server = createServer((socket) => void new ProcessChannel(socket, (name) => handlers.get(name), onFault));
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
  return { here: new ProcessChannel(socket, () => undefined, onFault), there, handlers, faults };
}

test('notifications and requests arrive in order, with bodies of any size', async () => {
  const { here, handlers } = await openPair();
  const seen: number[] = [];
  handlers.set('size', (body) => void seen.push(body.length));
  handlers.set('sizes', () => encodeJson(seen));
  const sizes = [0, 1, 65_535, 65_536, 3_000_000, 7];
  for (const size of sizes) here.send('size', Buffer.alloc(size));
  expect(decodeJson(await here.request('sizes', Buffer.alloc(0)))).toEqual(sizes);
});

test('a refusal arrives with its code and its extensions', async () => {
  const { here, handlers, faults } = await openPair();
  handlers.set('append', () => {
    throw new PolycastError('log_full', 'The disk is full.', { retryAfterMs: 5 });
  });
  await expect(here.request('append', Buffer.alloc(0))).rejects.toMatchObject({
    code: 'log_full',
    message: 'The disk is full.',
    extensions: { retryAfterMs: 5 },
  });
  expect(faults).toEqual([]);
  await expect(here.request('unknown', Buffer.alloc(0))).rejects.toMatchObject({ code: 'internal_error' });
});

test('a fault is known to the process that it happened in, and the other one sees none of its text', async () => {
  const { here, handlers, faults } = await openPair();
  const error = new TypeError('the password is 1234');
  handlers.set('at-once', () => {
    throw error;
  });
  handlers.set('late', () => Promise.reject(error));
  for (const name of ['at-once', 'late']) {
    const refusal: unknown = await here.request(name, Buffer.alloc(0)).catch((reason: unknown) => reason);
    expect(refusal).toBeInstanceOf(PolycastError);
    expect(JSON.stringify((refusal as PolycastError).problem)).not.toContain('1234');
    expect(refusal).toMatchObject({ code: 'internal_error' });
  }
  expect(faults).toEqual([
    [error, 'at-once'],
    [error, 'late'],
  ]);
});

test.each(['at once', 'late'])('a notification that cannot be handled ends the channel: %s', async (when) => {
  const { here, there, handlers, faults } = await openPair();
  const error = new TypeError('a fault');
  let seen = 0;
  handlers.set('events', () => {
    seen++;
    if (when === 'late') return Promise.reject(error);
    throw error;
  });
  const closed = once(there, 'close');
  here.send('events', Buffer.alloc(0));
  if (when === 'at once') here.send('events', Buffer.alloc(0));
  await closed;
  expect(faults).toEqual([[error, 'events']]);
  expect(seen).toBe(1);
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
  const paused: ProcessChannel = new ProcessChannel(
    there,
    (name) => () => {
      seen.push(name);
      if (name === 'welcome') paused.pause();
    },
    () => undefined,
  );
  // They usually arrive in one piece: without the pause all three would be handled in its turn.
  for (const name of ['welcome', 'events', 'events']) here.send(name, Buffer.alloc(0));
  await expect.poll(() => seen).not.toEqual([]);
  expect(seen).toEqual(['welcome']);
  paused.resume();
  await expect.poll(() => seen).toEqual(['welcome', 'events', 'events']);
});
