import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atExit } from '../kit/at-exit.ts';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { hasNginx, spawnNginx } from '../kit/nginx.ts';
import { rawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';

/** Debian's nginx with its default buffering, and only the settings of the guide. */
let hub: HubProcess;
let nginx: ChildProcess;
let url: string;

beforeAll(async () => {
  if (!hasNginx) return;
  hub = await startHubProcess();
  const { child, port } = await spawnNginx((_folder, ownPort) => configuration(ownPort, hub.port));
  nginx = child;
  url = `http://127.0.0.1:${port}`;
  atExit(() => nginx.kill('SIGKILL'));
  await until('nginx answers', () =>
    call(`${url}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
});
afterAll(async () => {
  nginx?.kill('SIGTERM');
  await hub?.end('SIGKILL');
});

describe.skipIf(!hasNginx)('behind nginx with its defaults', () => {
  test('each event of a stream arrives immediately, not when a buffer is full', async () => {
    const raw = await rawSocket(url);
    raw.send('GET /v1/events?channel=stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    await raw.receives(/event: polycast.ready/);
    for (let n = 0; n < 20; n++) {
      const { id } = await publish(url, { channel: 'stream', data: n });
      await raw.receives(new RegExp(`id: ${id}\\ndata: {`));
    }
    raw.destroy();
  });

  test('all transports carry all events, WebSocket by upgrade', async () => {
    const followers = TRANSPORTS.map(
      (transport) => new Follower(url, transport, { channels: ['all'], after: 'earliest' }),
    );
    const ids: string[] = [];
    for (let n = 0; n < 50; n++) ids.push((await publish(url, { channel: 'all', data: 'x'.repeat(n * 500) })).id);
    await until('all has come', () => followers.every(({ received }) => received.length === ids.length));
    await Promise.all(followers.map((follower) => follower.stop()));
    for (const { received, errors, gaps } of followers)
      expect([received.map(({ id }) => id), errors, gaps]).toEqual([ids, [], []]);
  });

  test('a long poll waits, and results of lines arrive while the lines are sent', async () => {
    const polls = async (): Promise<number> =>
      Number(/polycast_sessions{transport="long-poll"} (\d+)/.exec((await call(`${hub.url}/metrics`)).text)?.[1]);
    // nginx may still hold the poll of the test before.
    await until('no other poll waits', async () => (await polls()) === 0);
    const held = call(`${url}/v1/events?channel=held&wait=20`);
    await until('it waits', async () => (await polls()) === 1);
    const { id } = await publish(url, { channel: 'held', data: 1 });
    expect((await held).text).toContain(id);
    const lines = Array.from({ length: 2000 }, (_, n) => `{"channel":"lines","data":${n}}`).join('\n');
    const reply = await call(`${url}/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: lines,
    });
    expect(reply.text.trimEnd().split('\n')).toHaveLength(2000);
  });

  test('a client that leaves is noticed through the proxy', async () => {
    const raw = await rawSocket(url);
    raw.send('GET /v1/events?channel=leaves HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    await raw.receives(/event: polycast.ready/);
    const streams = async (): Promise<number> =>
      Number(/polycast_sessions{transport="sse"} (\d+)/.exec((await call(`${hub.url}/metrics`)).text)?.[1]);
    const before = await streams();
    raw.destroy();
    await until('its session ends', async () => (await streams()) < before);
  });
});

function configuration(port: number, hubPort: number): string {
  return `
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${hubPort};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }`;
}
