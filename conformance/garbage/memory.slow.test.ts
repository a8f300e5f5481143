import { afterEach, test } from 'vitest';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { rawSocket } from '../kit/wire/raw-socket.ts';
import { publish } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

const MIB = 1024 * 1024;
/** As deep as a pattern may be, and different from all others in its first token. */
const LETTERS = 'abcdefghijklm';
let patterns = 0;

let hub: HubProcess;
afterEach(() => hub.end('SIGKILL'));

test('a thousand polls with a hundred unique patterns each leave no memory behind', async () => {
  hub = await startHubProcess({ environment: WITH_INSPECTOR });
  await polls(100);
  const before = await Heap.residentBytes(hub);
  await polls(1000);
  // Clients sent 16 MB, which took 1.7 GB without the limit.
  await until('memory is given back', async () => (await Heap.residentBytes(hub)) - before < 160 * MIB);
});

test('a hundred WebSockets with a hundred deep patterns each take at most a few times the memory of their requests', async () => {
  hub = await startHubProcess({ environment: WITH_INSPECTOR });
  const before = await Heap.residentBytes(hub);
  const sockets = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=warm`);
      await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
      const answered = new Promise<string>((resolve) =>
        socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
          if (data.includes('"ref":1')) resolve(data);
        }),
      );
      const refused = new Promise<void>((resolve) =>
        socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
          if (data.includes('"ref":2')) resolve();
        }),
      );
      // Deeper than allowed: each of them would take 70 nodes of the index.
      const deeper = hundred()
        .slice(1)
        .map((each) => each.slice(0, 13) + 'a.'.repeat(66) + 'a');
      socket.send(JSON.stringify({ op: 'subscribe', ref: 2, channels: deeper }));
      await refused;
      socket.send(JSON.stringify({ op: 'subscribe', ref: 1, channels: hundred().slice(0, 62) }));
      await answered;
      return socket;
    }),
  );
  await until('no more is taken', async () => (await Heap.residentBytes(hub)) - before < 60 * MIB);
  // All clients are still served.
  const [first] = sockets;
  const got = new Promise((resolve) => first?.addEventListener('message', resolve, { once: true }));
  await publish(hub.url, { channel: 'warm', data: 1 });
  await got;
  for (const socket of sockets) socket.close();
});

async function polls(count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 20) {
    const raw = await rawSocket(hub.url);
    for (let each = 0; each < 20; each++)
      raw.send(
        `GET /v1/events?${hundred()
          .slice(0, 62)
          .map((one) => `channel=${one}`)
          .join('&')} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      );
    await until('all are answered', () => raw.text.split('HTTP/1.1 200').length > 20);
    raw.destroy();
  }
}

function hundred(): string[] {
  return Array.from({ length: 100 }, () => {
    const number = (patterns++).toString(36).padStart(6, '0');
    return `pub.${number}.*.${[...LETTERS].map((letter) => letter.repeat(10)).join('.')}`.slice(0, 150);
  });
}
