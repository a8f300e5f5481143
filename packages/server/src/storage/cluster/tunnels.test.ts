import { createServer, request as openRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { MemoryFleetServer } from './memory-fleet.ts';
import { Tunnels, type TunnelBounds } from './tunnels.ts';

interface Pair {
  readonly here: Tunnels;
  readonly there: Tunnels;
  /** Messages of this end: the next that is lost, and all. */
  readonly losing: { next: number };
  readonly sent: { count: number };
  /** The other end sends and receives nothing any more, as after `kill -9`. */
  killThere(): Promise<void>;
}

/** The tunnels of two hubs. */
function openPair(bounds: TunnelBounds = {}): Pair {
  const server = new MemoryFleetServer();
  const losing = { next: 0 };
  const sent = { count: 0 };
  const [one, other] = [server.connect('a'), server.connect('b')];
  onTestFinished(async () => void (await Promise.all([one.close(), other.close()])));
  const here = new Tunnels(
    {
      onReceived: (listener) => one.onReceived(listener),
      messageBytesMax: one.messageBytesMax,
      send: (hub, data) => {
        sent.count++;
        if (losing.next > 0 && --losing.next === 0) return;
        one.send(hub, data);
      },
    },
    bounds,
  );
  return { here, there: new Tunnels(other, bounds), losing, sent, killThere: () => other.close() };
}

async function connected(here: Tunnels): Promise<Duplex> {
  const tunnel = await here.open('b', 60_000);
  if (tunnel === undefined) throw new Error('the tunnel was not accepted');
  return tunnel;
}

test('a tunnel carries more bytes than its window in both directions, and ends', async () => {
  const { here, there } = openPair();
  there.onConnection((tunnel) => void tunnel.pipe(tunnel));
  const sent = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
  const tunnel = await connected(here);
  tunnel.end(sent);
  expect((await buffer(tunnel)).equals(sent)).toBe(true);
  await expect.poll(() => [here.count, there.count]).toEqual([0, 0]);
});

test('a writer waits for a reader that does not read', async () => {
  const { here, there } = openPair();
  const accepted: Duplex[] = [];
  there.onConnection((tunnel) => accepted.push(tunnel));
  const tunnel = await connected(here);
  let written = 0;
  const bytes = Buffer.alloc(64 * 1024);
  for (let count = 0; count < 100; count++) tunnel.write(bytes, () => (written += bytes.length));
  await expect.poll(() => accepted[0]?.readableLength ?? 0).toBeGreaterThan(0);
  tunnel.end();
  expect((await buffer(accepted[0] as Duplex)).length).toBe(100 * bytes.length);
  expect(written).toBe(100 * bytes.length);
});

test('HTTP works over a tunnel, also with an answer that is read slowly', async () => {
  const { here, there } = openPair();
  const answer = 'x'.repeat(2_000_000);
  const server = createServer((request, response) => {
    void buffer(request).then((body) => response.end(`${body.toString()} ${answer}`));
  });
  there.onConnection((tunnel) => void server.emit('connection', tunnel));
  const tunnel = await connected(here);
  const outgoing = openRequest({ method: 'POST', path: '/', createConnection: () => tunnel });
  outgoing.end('ping');
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  expect((await buffer(response)).toString()).toBe(`ping ${answer}`);
  await expect.poll(() => [here.count, there.count]).toEqual([0, 0]);
});

test('a hub that accepts no tunnels, or does not run, is known after the time', async () => {
  const { here } = openPair();
  expect(await here.open('b', 20)).toBeUndefined();
  expect(await here.open('c', 20)).toBeUndefined();
});

test('a lost message ends the tunnel at both ends', async () => {
  const { here, there, losing } = openPair();
  const accepted: Duplex[] = [];
  there.onConnection((tunnel) => accepted.push(tunnel.resume()));
  const tunnel = await connected(here);
  losing.next = 2;
  tunnel.resume();
  for (const text of ['a', 'b', 'c']) tunnel.write(text);
  await expect.poll(() => [here.count, there.count]).toEqual([0, 0]);
  expect(tunnel.destroyed && accepted[0]?.destroyed).toBe(true);
});

test('the tunnels to one hub end together', async () => {
  const { here, there } = openPair();
  there.onConnection((tunnel) => void tunnel.resume());
  const tunnels = [await connected(here), await connected(here)];
  here.close('c');
  expect(here.count).toBe(2);
  here.close('b');
  await expect.poll(() => [here.count, there.count]).toEqual([0, 0]);
  expect(tunnels.every(({ destroyed }) => destroyed)).toBe(true);
});

/** Short enough for a test, and so that no test depends on it. */
const TICK_MS = 5;

test('a tunnel whose other hub was killed ends, also while the part here waits for an answer', async () => {
  const { here, there, killThere } = openPair({ tickMs: TICK_MS });
  there.onConnection((tunnel) => void tunnel.resume());
  const tunnel = await connected(here);
  tunnel.resume();
  await killThere();
  await expect.poll(() => here.count).toBe(0);
  expect(tunnel.destroyed).toBe(true);
});

test('a quiet tunnel stays open, as long as both hubs name it', async () => {
  const { here, there, sent } = openPair({ tickMs: TICK_MS });
  const accepted: Duplex[] = [];
  there.onConnection((tunnel) => accepted.push(tunnel));
  const tunnel = await connected(here);
  const before = sent.count;
  await expect.poll(() => sent.count - before).toBeGreaterThan(20);
  tunnel.end('late');
  expect((await buffer(accepted[0] as Duplex)).toString()).toBe('late');
});

test.each(['end', 'destroy', 'write'] as const)(
  'a tunnel whose last message (%s) is lost ends at both ends',
  async (last) => {
    const { here, there, losing } = openPair({ tickMs: TICK_MS });
    const accepted: Duplex[] = [];
    there.onConnection((tunnel) => accepted.push(tunnel.resume()));
    const tunnel = await connected(here);
    tunnel.resume();
    losing.next = 1;
    if (last === 'write') tunnel.write('x');
    else tunnel[last]();
    await expect.poll(() => [here.count, there.count]).toEqual([0, 0]);
    expect(tunnel.destroyed && accepted[0]?.destroyed).toBe(true);
  },
);

test('a reader reads to the end what a hub had sent before it was killed', async () => {
  const { here, there, killThere } = openPair({ tickMs: TICK_MS });
  const sent = Buffer.alloc(300_000, 'x');
  there.onConnection((tunnel) => void tunnel.resume().end(sent));
  const tunnel = await connected(here);
  await expect.poll(() => tunnel.readableLength).toBeGreaterThan(sent.length / 2);
  await expect.poll(() => there.count === 1 && tunnel.readableLength).toBe(sent.length);
  await killThere();
  tunnel.end();
  await expect.poll(() => there.count).toBe(0);
  expect((await buffer(tunnel)).equals(sent)).toBe(true);
  await expect.poll(() => here.count).toBe(0);
});

test('a hub accepts as many tunnels as it may have, and refuses others clearly until one ends', async () => {
  const { here, there } = openPair({ acceptedMax: 2 });
  there.onConnection((tunnel) => void tunnel.resume());
  const tunnels = [await connected(here), await connected(here)];
  await expect(here.open('b', 60_000)).rejects.toMatchObject({ code: 'overloaded' });
  expect([here.count, there.count]).toEqual([2, 2]);
  tunnels[0]?.destroy();
  await expect.poll(() => there.count).toBe(1);
  await connected(here);
});

test('a server ends the tunnel after its answer, also if the client sends more and never ends', async () => {
  const { here, there } = openPair();
  const server = createServer((_request, response) => void response.writeHead(413).end('too large'));
  there.onConnection((tunnel) => void server.emit('connection', tunnel));
  const tunnel = await connected(here);
  tunnel.write('POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 2000000\r\nConnection: close\r\n\r\nx');
  let answer = '';
  tunnel.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  await expect.poll(() => [here.count, there.count]).toEqual([0, 0]);
  expect(answer).toMatch(/^HTTP\/1.1 413 [^]*too large/);
});
