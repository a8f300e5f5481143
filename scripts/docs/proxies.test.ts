import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import * as https from 'node:https';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CONDITION_TIMEOUT_MS } from '../testing/timeouts.ts';
import { parse } from 'yaml';
import { unusedPort } from '../unused-port.ts';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub, type Hub } from '../../packages/server/src/main.ts';
import { readPages, type Block } from './blocks.ts';

// The path where Debian installs it, for any user who runs the tests.
process.env['PATH'] += ':/usr/sbin';

/** A proxy of the deployment guide, in front of a hub. */
const ROOT = join(import.meta.dirname, '../..');
const GUIDE = 'docs/guides/deployment.md';
const blocks = readPages(ROOT).get(GUIDE) ?? [];

interface Proxy {
  readonly name: string;
  readonly scheme: 'http' | 'https';
  /** Its command, with the guide's file adapted to this machine's ports and folders. */
  readonly command: (folder: string, port: number, hubPort: number) => readonly [string, ...string[]];
}

const NGINX: Proxy = {
  name: 'nginx',
  scheme: 'https',
  command(folder, port, hubPort) {
    writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(folder, port, hubPort));
    createCertificate(folder);
    const common = ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log', '-g', `pid ${folder}/nginx.pid;`];
    const { stderr, status } = spawnSync('nginx', ['-t', ...common], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return ['nginx', ...common.slice(0, -1), `${common.at(-1)} daemon off;`];
  },
};

/**
 * Debian's version, the oldest that the guide supports. For another one:
 * `POLYCAST_CADDY=/path/to/caddy`.
 */
const CADDY_COMMAND = process.env['POLYCAST_CADDY'] ?? 'caddy';

const CADDY: Proxy = {
  name: 'caddy',
  scheme: 'http',
  command(folder, port, hubPort) {
    const globals = `{\n\tadmin off\n\tauto_https off\n\tstorage file_system ${folder}\n}\n`;
    const file = blockOf('caddy')
      .text.replace('hub.example', `http://127.0.0.1:${port}`)
      .replace('127.0.0.1:7400', `127.0.0.1:${hubPort}`);
    writeFileSync(join(folder, 'Caddyfile'), globals + file);
    return [CADDY_COMMAND, 'run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')];
  },
};

describe.each([
  { ...NGINX, installed: isInstalled('nginx', '-v') },
  { ...CADDY, installed: isInstalled(CADDY_COMMAND, 'version') },
])('the $name of the deployment guide (skipped where it is not installed)', ({ installed, command, scheme, name }) => {
  let hub: Hub;
  let proxy: ChildProcess;
  let folder: string;
  let target: Target;

  beforeAll(async () => {
    if (!installed) return;
    folder = mkdtempSync(join(tmpdir(), `polycast-${name}-`));
    const port = await unusedPort();
    target = { scheme, port };
    hub = await startHub(hubConfiguration());
    const [program, ...args] = command(folder, port, hub.port);
    proxy = spawn(program, args, { stdio: ['ignore', 'ignore', name === 'caddy' ? 'ignore' : 'inherit'] });
    await answers(target, proxy);
  });

  afterAll(async () => {
    if (!installed) return;
    const ended = once(proxy, 'exit');
    proxy.kill('SIGTERM');
    await ended;
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.skipIf(!installed)('forwards the first bytes of an event stream immediately', async () => {
    const response = await ask(target, '/v1/events?channel=a', { headers: { Accept: 'text/event-stream' } });
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(first.toString()).toContain('event: polycast.ready');
    response.destroy();
  });

  test.skipIf(!installed)('forwards a WebSocket', async () => {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    const asked = requestOf(target, '/v1/events?channel=a', { headers }).end();
    const [response, socket] = (await once(asked, 'upgrade')) as [IncomingMessage, NodeJS.ReadWriteStream];
    expect(response.statusCode).toBe(101);
    // The proxy may reset it.
    socket.on('error', () => undefined).end();
  });

  test.skipIf(!installed)('lets a page of its own origin publish, and no other', async () => {
    const publish = (origin: string): Promise<IncomingMessage> =>
      ask(target, '/v1/channels/a/events', { method: 'POST', headers: { Origin: origin } }, '1');
    expect((await publish(`${scheme}://127.0.0.1:${target.port}`)).statusCode).toBe(201);
    expect((await publish('https://stranger.example')).statusCode).toBe(403);
  });

  test.skipIf(!installed)('does not forward the metrics', async () => {
    expect((await ask(target, '/metrics')).statusCode).toBe(404);
  });

  test.skipIf(!installed || name !== 'nginx')('logs no query strings', async () => {
    expect((await ask(target, '/v1/events?channel=a&token=secret')).statusCode).toBe(401);
    await expect.poll(() => readFileSync(join(folder, 'access.log'), 'utf8')).toMatch(/GET \/v1\/events 401/);
    expect(readFileSync(join(folder, 'access.log'), 'utf8')).not.toContain('secret');
  });

  test.skipIf(!installed)("forwards each client's address, which the client cannot forge", async () => {
    const open = (localAddress: string, forged?: string): Promise<IncomingMessage> =>
      ask(target, '/v1/events?channel=a', {
        localAddress,
        headers: { Accept: 'text/event-stream', ...(forged !== undefined && { 'X-Forwarded-For': forged }) },
      });
    const streams = [await open('127.0.0.2'), await open('127.0.0.2')];
    expect(streams.map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect((await open('127.0.0.2')).statusCode).toBe(429);
    expect((await open('127.0.0.2', '198.51.100.7')).statusCode).toBe(429);
    streams.push(await open('127.0.0.3'));
    expect(streams[2]?.statusCode).toBe(200);
    for (const stream of streams) stream.destroy();
  });
});

test('the files of operate/ and the commands of the deployment guide name the same user, folder and files', () => {
  const unit = readFileSync(join(ROOT, 'operate/systemd/polycast.service'), 'utf8');
  const user = /^User=(.+)$/m.exec(unit)?.[1] as string;
  const folder = `/var/lib/${/^StateDirectory=(.+)$/m.exec(unit)?.[1]}`;
  const sysusers = readFileSync(join(ROOT, 'operate/systemd/sysusers.conf'), 'utf8');
  expect(sysusers).toMatch(new RegExp(`^u ${user} - .* ${folder} `, 'm'));
  const setUp = blocks.find(({ text }) => text.includes('systemd-sysusers'))?.text ?? '';
  expect(setUp).toContain(` -g ${user} /dev/null ${/^EnvironmentFile=-(.+)$/m.exec(unit)?.[1]}\n`);
  expect(setUp).toContain(/ --config (\S+)$/m.exec(unit)?.[1] as string);
  const configuration = parse(hubFile()) as { data: string; trustedProxies: string[] };
  expect(configuration).toMatchObject({ data: folder, trustedProxies: ['127.0.0.1'] });
});

test('the hub has the metrics that the guides name', async () => {
  const hub = await startHub(
    parseConfig({ listen: '127.0.0.1:0', access: 'loopback', data: ':memory:', logging: { level: 'silent' } }),
  );
  const metrics = await (await fetch(`${hub.url}/metrics`)).text();
  await hub.close();
  const pages = globSync(['README.md', 'docs/*.md', 'docs/guides/*.md'], { cwd: ROOT });
  const named = pages.flatMap((page) => [
    ...readFileSync(join(ROOT, page), 'utf8').matchAll(/`((?:polycast|process|nodejs)_[a-z0-9_]+)(?=[`{])/g),
  ]);
  const unknown = named
    .map(([, name]) => name)
    .filter((name) => !new RegExp(`^(?:# TYPE )?${name}[ {]`, 'm').test(metrics));
  expect(named.length).toBeGreaterThan(20);
  expect(unknown).toEqual([]);
});

interface Target {
  readonly scheme: 'http' | 'https';
  readonly port: number;
}

function hubFile(): string {
  return readFileSync(join(ROOT, 'operate/polycast.yaml'), 'utf8');
}

/**
 * The configuration of operate/ with its own port and folder, and a limit that shows the client's
 * address.
 */
function hubConfiguration() {
  return parseConfig({
    ...(parse(hubFile()) as object),
    listen: '127.0.0.1:0',
    data: ':memory:',
    rules: [{ pattern: '>', subscribe: 'anyone', publish: 'anyone', history: 'anyone' }],
    logging: { level: 'silent' },
    limits: { connectionsPerAddressMax: 2 },
  });
}

function blockOf(language: string): Block {
  const block = blocks.find((each) => each.language === language);
  if (block === undefined) throw new Error(`${GUIDE} has no block of ${language}`);
  return block;
}

/** The guide's configuration with this machine's ports, files and processes. */
function nginxConfiguration(folder: string, port: number, hubPort: number): string {
  return blockOf('nginx')
    .text.replace('worker_processes auto', 'worker_processes 1')
    .replace(/worker_rlimit_nofile .*\n/, '')
    .replace('worker_connections 65536', 'worker_connections 64')
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replace('127.0.0.1:7400', `127.0.0.1:${hubPort}`)
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

function requestOf({ scheme, port }: Target, path: string, options: RequestOptions = {}): ClientRequest {
  const target = { host: '127.0.0.1', port, rejectUnauthorized: false, agent: false, path, ...options };
  return scheme === 'https' ? https.request(target) : http.request(target);
}

async function ask(target: Target, path: string, options: RequestOptions = {}, body = ''): Promise<IncomingMessage> {
  const [response] = (await once(requestOf(target, path, options).end(body), 'response')) as [IncomingMessage];
  if (!/event-stream/.test(response.headers['content-type'] ?? '')) response.resume();
  return response;
}

/** Waits until it answers, within the timeout of the test. */
async function answers(target: Target, program: ChildProcess): Promise<void> {
  const isThere = (): Promise<boolean> =>
    ask(target, '/healthz').then(
      () => true,
      () => program.exitCode !== null,
    );
  await vi.waitUntil(isThere, { interval: 20, timeout: CONDITION_TIMEOUT_MS });
  if (program.exitCode !== null) throw new Error(`it has ended with ${program.exitCode}`);
}

function isInstalled(command: string, argument: string): boolean {
  return spawnSync(command, [argument]).error === undefined;
}
