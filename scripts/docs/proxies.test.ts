import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quietPort } from '../../conformance/kit/quiet-port.ts';
import { parseConfig } from '../../packages/server/src/config/schema.ts';
import { startHub, type Hub } from '../../packages/server/src/main.ts';
import { readPages, type Block } from './blocks.ts';

// Where Debian has it, whoever the tests run as.
process.env['PATH'] += ':/usr/sbin';

/** What the deployment guide puts in front of a hub, put in front of one. */
const ROOT = join(import.meta.dirname, '../..');
const GUIDE = 'docs/guides/deployment.md';
const blocks = readPages(ROOT).get(GUIDE) ?? [];

describe.skipIf(!isInstalled('nginx', '-v'))('the nginx of the deployment guide (skipped without nginx)', () => {
  let hub: Hub;
  let nginx: ChildProcess;
  let folder: string;
  let port: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'polycast-nginx-'));
    port = await quietPort();
    hub = await startHub(
      parseConfig({ listen: '127.0.0.1:0', access: 'loopback', data: ':memory:', logging: { level: 'silent' } }),
    );
    writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(folder, port, hub.port));
    createCertificate(folder);
    const common = ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log', '-g', `pid ${folder}/nginx.pid;`];
    const { stderr, status } = spawnSync('nginx', ['-t', ...common], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    nginx = spawn('nginx', [...common.slice(0, -1), `${common.at(-1)} daemon off;`], { stdio: 'inherit' });
    await answers(port, nginx);
  });

  afterAll(async () => {
    nginx.kill('SIGTERM');
    await once(nginx, 'exit');
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('passes on the first bytes of an event stream at once', async () => {
    const response = await ask(port, '/v1/events?channel=a', { headers: { Accept: 'text/event-stream' } });
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(first.toString()).toContain('event: polycast.ready');
    response.destroy();
  });

  test('passes a WebSocket on', async () => {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    const asked = request({ ...addressOf(port), path: '/v1/events?channel=a', headers }).end();
    const [response, socket] = (await once(asked, 'upgrade')) as [IncomingMessage, NodeJS.ReadWriteStream];
    expect(response.statusCode).toBe(101);
    socket.end();
  });

  test('lets a page of its own address publish, and no other', async () => {
    const publish = (origin: string): Promise<IncomingMessage> =>
      ask(port, '/v1/channels/a/events', { method: 'POST', headers: { Origin: origin } }, '1');
    expect((await publish(`https://127.0.0.1:${port}`)).statusCode).toBe(201);
    expect((await publish('https://stranger.example')).statusCode).toBe(403);
  });

  test('keeps the metrics to itself, and queries out of its log', async () => {
    expect((await ask(port, '/metrics')).statusCode).toBe(404);
    expect((await ask(port, '/v1/events?channel=a&token=secret')).statusCode).toBe(200);
    await expect.poll(() => readFileSync(join(folder, 'access.log'), 'utf8')).toMatch(/GET \/v1\/events 200/);
    expect(readFileSync(join(folder, 'access.log'), 'utf8')).not.toContain('secret');
  });
});

test.skipIf(!isInstalled('caddy', 'version'))(
  'Caddy takes the Caddyfile of the deployment guide (skipped without caddy)',
  () => {
    const adapted = spawnSync('caddy', ['adapt', '--adapter', 'caddyfile', '--config', '-'], {
      input: blockOf('caddy').text,
      encoding: 'utf8',
    });
    expect(adapted.status, adapted.stderr).toBe(0);
  },
);

test.skipIf(!isInstalled('systemd-analyze', '--version'))(
  'systemd takes the unit of the deployment guide (skipped without systemd)',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'polycast-unit-'));
    const unit = join(folder, 'polycast.service');
    writeFileSync(unit, blockOf('ini').text.replaceAll('/opt/polycast/', `${ROOT}/`));
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect(stderr.split('\n').filter((line) => line.includes('polycast.service'))).toEqual([]);
  },
);

test('the hub has the metrics that the deployment guide names', async () => {
  const hub = await startHub(
    parseConfig({ listen: '127.0.0.1:0', access: 'loopback', data: ':memory:', logging: { level: 'silent' } }),
  );
  const metrics = await (await fetch(`${hub.url}/metrics`)).text();
  await hub.close();
  const named = readFileSync(join(ROOT, GUIDE), 'utf8').matchAll(/\bpolycast_[a-z0-9_]+/g);
  const unknown = [...named]
    .map(([name]) => name)
    .filter((name) => !new RegExp(`^(?:# TYPE )?${name}[ {]`, 'm').test(metrics));
  expect(unknown).toEqual([]);
});

function blockOf(language: string): Block {
  const block = blocks.find((each) => each.language === language);
  if (block === undefined) throw new Error(`${GUIDE} has no block of ${language}`);
  return block;
}

/** The guide's, with this machine's ports, files and processes. */
function nginxConfiguration(folder: string, port: number, hubPort: number): string {
  return blockOf('nginx')
    .text.replace('worker_processes auto', 'worker_processes 1')
    .replace(/worker_rlimit_nofile .*\n/, '')
    .replace('worker_connections 65536', 'worker_connections 64')
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replace('127.0.0.1:8080', `127.0.0.1:${hubPort}`)
    .replaceAll('/etc/ssl/hub.example', folder)
    .replace('/var/log/nginx/hub.access.log', join(folder, 'access.log'));
}

function createCertificate(folder: string): void {
  const names = [
    '-keyout',
    join(folder, 'privkey.pem'),
    '-out',
    join(folder, 'fullchain.pem'),
    '-subj',
    '/CN=hub.example',
  ];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-days', '1', ...key, ...names], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
}

function addressOf(port: number): RequestOptions {
  return { host: '127.0.0.1', port, rejectUnauthorized: false };
}

async function ask(port: number, path: string, options: RequestOptions = {}, body = ''): Promise<IncomingMessage> {
  const [response] = (await once(request({ ...addressOf(port), path, ...options }).end(body), 'response')) as [
    IncomingMessage,
  ];
  if (!/event-stream/.test(response.headers['content-type'] ?? '')) response.resume();
  return response;
}

/** Waits until it answers: the test's own time is the bound. */
async function answers(port: number, program: ChildProcess): Promise<void> {
  while (
    !(await ask(port, '/healthz').then(
      () => true,
      () => false,
    ))
  ) {
    if (program.exitCode !== null) throw new Error(`it has ended with ${program.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function isInstalled(command: string, argument: string): boolean {
  return spawnSync(command, [argument]).error === undefined;
}
