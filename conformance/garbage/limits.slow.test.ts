import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { Canary } from '../kit/clients/canary.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { rawSocket, UPGRADE_HEADERS, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';
const UPGRADE = `GET /v1/events HTTP/1.1\r\nHost: localhost\r\n${UPGRADE_HEADERS}\r\n`;

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
  // A refused connection may end before its request is sent.
  const isServed = (): Promise<boolean> =>
    call(`${hub.url}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until('there is room again', isServed);
});

test('a hub whose limit of open files is too low for its connections accepts fewer, and says so', async () => {
  const openFilesMax = 400;
  hub = await startHubProcess({ openFilesMax, data: temporaryFolder('descriptors') });
  await until('it says so', () =>
    /"openFilesMax":400,"configured":50000,"connectionsMax":250,.*open files: the limit is too low/.test(hub.log()),
  );
  const status = (await call(`${hub.url}/v1/status`)).json<{ readonly limits: object }>();
  expect(status.limits).toMatchObject({ connectionsMaxPerProcess: 250, connectionsMaxConfigured: 50_000 });
  const { fields } = (await call(`${hub.url}/v1/configuration`)).json<{
    readonly fields: { readonly path: string }[];
  }>();
  expect(fields.find(({ path }) => path === 'limits.connectionsMax')).toMatchObject({
    value: 250,
    origin: 'limit of open files',
  });
  const raws = await ask(300, HEALTH);
  expect(raws.filter(({ status: each }) => each !== 200 && each !== 503)).toEqual([]);
  expect(raws.filter(({ status: each }) => each === 503).length).toBeGreaterThan(30);
  expect(readdirSync(`/proc/${hub.pid}/fd`).length).toBeLessThan(openFilesMax * 0.9);
  for (const raw of raws) raw.destroy();
});

test('when file descriptors run out, new connections are closed or wait, open ones are served, and the hub recovers', async () => {
  const openFilesMax = 90;
  hub = await startHubProcess({ data: temporaryFolder('descriptors') });
  // A limit at the start would bound the connections.
  execFileSync('prlimit', ['--pid', String(hub.pid), `--nofile=${openFilesMax}:`]);
  const canary = new Canary(hub.url);
  // libuv closes a new connection by means of a descriptor that it keeps. A thread that opens a
  // file may take that one at this moment, and connections then wait for another.
  const raws = await ask(150, HEALTH, () => readdirSync(`/proc/${hub.pid}/fd`).length >= openFilesMax);
  // The hub may have accepted many at once, and not answered yet.
  await until('some are answered', () => raws.filter(({ status }) => status > 0).length > 10);
  const unanswered = raws.filter(({ status }) => status === 0);
  expect(unanswered.length).toBeGreaterThan(50);
  const answered = raws.filter(({ status }) => status > 0);
  expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
  expect((await canary.stop()).errors).toEqual([]);
  for (const raw of raws) raw.destroy();
  await until(
    'there is room again',
    async () => (await call(`${hub.url}/readyz`).catch(() => undefined))?.status === 200,
  );
  await publish(hub.url, { channel: 'a', data: 1 });
  expect(hub.log()).not.toContain('"level":"error"');
});

/**
 * Opens a number of connections, each with a request. Resolves when all are answered or closed, or
 * when the hub accepts no more.
 */
async function ask(count: number, request: string, isFull = () => false): Promise<readonly RawSocket[]> {
  const raws: RawSocket[] = [];
  for (let opened = 0; opened < count; opened++) {
    const raw = await rawSocket(hub.url);
    raw.send(request);
    raws.push(raw);
  }
  const isDone = (): boolean => raws.every(({ closed, status }) => closed || status > 0);
  await until('each is answered or closed', () => isDone() || isFull());
  return raws;
}
