import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { WireRecord } from './records.ts';
import { Wire } from './wire.ts';

test('bytes pass unchanged in both directions, and each is reported', async () => {
  const { client, records } = await wired(echo());
  client.write('hello\0\xff', 'latin1');
  expect(await readBytes(client, 7)).toBe('hello\0\xff');
  expect(bytesOf(records, 'up')).toBe('hello\0\xff');
  expect(bytesOf(records, 'down')).toBe('hello\0\xff');
});

test('an end is forwarded in its own direction, and the other direction stays open', async () => {
  const { client, records } = await wired(
    createServer({ allowHalfOpen: true }, (socket) => socket.on('end', () => socket.end('goodbye')).resume()),
  );
  client.end('x');
  expect(await readBytes(client, 7)).toBe('goodbye');
  await once(client, 'close');
  await expect.poll(() => records.at(-1)?.kind === 'close').toBe(true);
  expect(records.at(-1)).toMatchObject({ kind: 'close', by: 'client' });
});

test('a hub that is down resets the client', async () => {
  const { wire, records, hub, client } = await wired(echo());
  client.destroy();
  hub.close();
  await once(hub, 'close');
  const second = connect(wire.port, '127.0.0.1');
  await expect(errorOf(second)).resolves.toBe('ECONNRESET');
  expect(records.at(-1)).toMatchObject({ kind: 'refused', by: 'hub' });
});

test('a cut resets open and new connections, until it is healed', async () => {
  const { wire, client, records } = await wired(echo());
  await exchange(client, 'a');
  const reset = errorOf(client);
  wire.breakFor('cut', 60_000);
  await expect(reset).resolves.toBe('ECONNRESET');
  await expect(errorOf(connect(wire.port, '127.0.0.1'))).resolves.toBe('ECONNRESET');
  wire.heal('cut');
  await exchange(opened(wire.port), 'b');
  const kinds = records.filter(({ kind }) => kind !== 'bytes').map(({ kind }) => kind);
  expect(kinds).toEqual(['open', 'fault', 'close', 'refused', 'healed', 'open']);
});

test('a stall delays every byte, also of new connections, and loses none', async () => {
  const { wire, client, records } = await wired(echo());
  await exchange(client, 'a');
  wire.breakFor('stall', 60_000);
  client.write('b');
  const second = opened(wire.port);
  second.write('c');
  await once(second, 'connect');
  // When the bytes of a third connection have made the round trip, the kernel has also delivered
  // the earlier bytes to the proxy.
  await exchange(opened((await wired(echo())).wire.port), 'elsewhere');
  expect(bytesOf(records, 'up')).toBe('a');
  wire.heal('stall');
  expect(await readBytes(client, 1)).toBe('b');
  expect(await readBytes(second, 1)).toBe('c');
});

test('a slow wire delivers late, in order and completely', async () => {
  const { wire, client, records } = await wired(echo());
  wire.breakFor('slow', 60_000);
  client.write('one');
  expect(await readBytes(client, 3)).toBe('one');
  const times = records.filter((record) => record.kind === 'bytes').map(({ atMs }) => atMs);
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(300);
});

test('a fault ends by itself', async () => {
  const { wire, records } = await wired(echo());
  wire.breakFor('cut', 20);
  await expect.poll(() => records.some(({ kind }) => kind === 'healed')).toBe(true);
  await exchange(opened(wire.port), 'x');
});

test('a client that does not read stops its publishing, and uses no memory', async () => {
  let written = 0;
  const hub = createServer((socket) => {
    const chunk = Buffer.alloc(64 * 1024);
    const write = (): void => {
      while (socket.write(chunk)) written += chunk.length;
    };
    socket.on('drain', write).on('error', () => undefined);
    write();
  });
  const { client, records } = await wired(hub);
  client.pause();
  let before = -1;
  // The loopback buffers fill. Then no byte moves any more.
  await expect
    .poll(() => {
      const still = written === before && written > 0;
      before = written;
      return still;
    })
    .toBe(true);
  expect(bytesOf(records, 'down').length).toBeLessThan(64 * 1024 * 1024);
});

async function wired(hub: Server): Promise<{ wire: Wire; client: Socket; records: WireRecord[]; hub: Server }> {
  hub.listen(0, '127.0.0.1');
  await once(hub, 'listening');
  const { port } = hub.address() as AddressInfo;
  const records: WireRecord[] = [];
  const wire = await Wire.open(
    'sse',
    () => port,
    (record) => records.push(record),
  );
  onTestFinished(async () => {
    await wire.close();
    hub.close();
  });
  return { wire, client: opened(wire.port), records, hub };
}

function echo(): Server {
  return createServer((socket) => socket.on('error', () => undefined).pipe(socket));
}

function opened(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

async function exchange(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  expect(await readBytes(socket, text.length)).toBe(text);
}

async function readBytes(socket: Socket, count: number): Promise<string> {
  for (;;) {
    const chunk = socket.read(count) as Buffer | null;
    if (chunk !== null) return chunk.toString('latin1');
    await once(socket, 'readable');
  }
}

async function errorOf(socket: Socket): Promise<string | undefined> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

function bytesOf(records: readonly WireRecord[], direction: 'up' | 'down'): string {
  return records
    .map((record) => (record.kind === 'bytes' && record.direction === direction ? record.bytes : ''))
    .join('');
}
