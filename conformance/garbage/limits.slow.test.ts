import { afterEach, expect, test } from 'vitest';
import { Canary } from '../kit/clients/canary.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { rawSocket, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';
const UPGRADE =
  'GET /v1/events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

let hub: HubProcess;
afterEach(() => hub.end('SIGKILL'));

test('connections beyond the limit receive 503, those within it are served, and a closed one makes room for another', async () => {
  hub = await startHubProcess({ config: { limits: { connectionsMax: 50 } } });
  const canary = new Canary(hub.url);
  const within = await ask(40, HEALTH);
  await until('the limit is reached', async () => (await ask(1, HEALTH))[0]?.status === 503);
  for (const raw of [...(await ask(20, HEALTH)), ...(await ask(20, UPGRADE))]) {
    expect(raw.text).toMatch(/^HTTP\/1\.1 503 [^]*"code":"overloaded"/);
    expect(raw.text).toMatch(/Retry-After: \d+\r\n/);
    await raw.closes();
  }
  expect(within.filter(({ status }) => status === 200).length).toBeGreaterThan(35);
  expect((await canary.stop()).errors).toEqual([]);
  for (const raw of within) raw.destroy();
  await until('there is room again', async () => (await call(`${hub.url}/healthz`)).status === 200);
});

test('when file descriptors run out, new connections are refused, open ones are served, and the hub recovers', async () => {
  hub = await startHubProcess({ openFilesMax: 90, data: temporaryFolder('descriptors') });
  const canary = new Canary(hub.url);
  const raws = await ask(150, HEALTH);
  const refused = raws.filter(({ closed, status }) => closed && status === 0);
  expect(refused.length).toBeGreaterThan(50);
  expect(raws.filter(({ status }) => status === 200).length).toBe(raws.length - refused.length);
  expect((await canary.stop()).errors).toEqual([]);
  for (const raw of raws) raw.destroy();
  await until(
    'there is room again',
    async () => (await call(`${hub.url}/readyz`).catch(() => undefined))?.status === 200,
  );
  await publish(hub.url, { channel: 'a', data: 1 });
  expect(hub.log()).not.toContain('"level":"error"');
});

/** Opens a number of connections, each with a request. Resolves when all are answered or closed. */
async function ask(count: number, request: string): Promise<readonly RawSocket[]> {
  const raws: RawSocket[] = [];
  for (let opened = 0; opened < count; opened++) {
    const raw = await rawSocket(hub.url);
    raw.send(request);
    raws.push(raw);
  }
  await until('each is answered or closed', () => raws.every(({ closed, status }) => closed || status > 0));
  return raws;
}
