import { createServer, request as openRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { MemoryFleetServer } from './memory-fleet.ts';
import { Tunnels } from './tunnels.ts';

/** The tunnels of two hubs, and how one drops what it sends. */
function openPair(): { readonly here: Tunnels; readonly there: Tunnels; readonly losing: { next: number } } {
  const server = new MemoryFleetServer();
  const losing = { next: 0 };
  const [one, other] = [server.connect('a'), server.connect('b')];
  onTestFinished(async () => void (await Promise.all([one.close(), other.close()])));
  const here = new Tunnels({
    onReceived: (listener) => one.onReceived(listener),
    send: (hub, data) => {
      if (losing.next > 0 && --losing.next === 0) return;
      one.send(hub, data);
    },
  });
  return { here, there: new Tunnels(other), losing };
}

async function connected(here: Tunnels): Promise<Duplex> {
  const tunnel = await here.open('b', 5_000);
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
