import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atExit } from '../kit/at-exit.ts';
import { Follower, TRANSPORTS } from '../kit/followers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { quietPort } from '../kit/quiet-port.ts';
import { rawSocket } from '../kit/raw-socket.ts';
import { until } from '../kit/wait.ts';

/** Debian's nginx as it is, buffering and all: what the guide says is all that it needs. */
const NGINX = '/usr/sbin/nginx';
const isInstalled = spawnSync(NGINX, ['-v']).status === 0;
let hub: HubProcess;
let nginx: ChildProcess;
let url: string;

beforeAll(async () => {
  if (!isInstalled) return;
  hub = await startHubProcess();
  const port = await quietPort();
  url = `http://127.0.0.1:${port}`;
  const folder = temporaryFolder('nginx');
  // Its workers are nobody, who has to find the way to the temporary files.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port, hub.port));
  nginx = spawn(NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'inherit' });
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

describe.skipIf(!isInstalled)('behind nginx with its defaults', () => {
  test('each event of a stream comes at once, not when a buffer is full', async () => {
    const raw = await rawSocket(url);
    raw.send('GET /v1/events?channel=stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    await raw.receives(/event: polycast.ready/);
    for (let n = 0; n < 20; n++) {
      const { id } = await publish(url, { channel: 'stream', data: n });
      await raw.receives(new RegExp(`id: ${id}\\ndata: {`), 2000);
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
    for (const { received, complaints, gaps } of followers)
      expect([received.map(({ id }) => id), complaints, gaps]).toEqual([ids, [], []]);
  });

  test('a long poll is held, and results of lines come while they are sent', async () => {
    const held = call(`${url}/v1/events?channel=held&wait=20`);
    await until('it waits', async () => /long_poll"} 1/.test((await call(`${hub.url}/metrics`)).text));
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

function configuration(folder: string, port: number, hubPort: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.join('\n  ')}
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
  }
}
`;
}
