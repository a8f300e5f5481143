import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { loadConfig } from '../../config/load.ts';
import { openHub } from '../../hub.ts';

const MIB = 1024 * 1024;

test.each([1000, 1001, 3000, 4321])('a client that closes with %s receives the same code', async (code) => {
  const socket = await open();
  socket.close(code, 'goodbye');
  expect((await once(socket, 'close'))[0]).toBe(code);
});

test('a client that closes without a code receives 1000', async () => {
  const socket = await open();
  socket.close();
  expect((await once(socket, 'close'))[0]).toBe(1000);
});

test('an operation of 4 MiB in fragments of 64 bytes is accepted if the limit allows it', async () => {
  const socket = await open(`limits.messageBytesMax=${4 * MIB}`);
  const operation = Buffer.from('{"op":"ping","ref":"long"}'.padEnd(4 * MIB));
  const answered = new Promise<string>((resolve) => socket.once('message', (data: Buffer) => resolve(data.toString())));
  for (let at = 0; at < operation.length; at += 64)
    socket.send(operation.subarray(at, at + 64), { fin: at + 64 >= operation.length, binary: false });
  expect(await answered).toContain('"ref":"long","ok":true');
});

async function open(...settings: readonly string[]): Promise<WebSocket> {
  const { config } = loadConfig({
    settings: ['access=loopback', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error', ...settings],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'message');
  return socket;
}
