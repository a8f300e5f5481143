import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SocketLimit } from './socket-limit.ts';
import { TrustedProxies } from '../client-address.ts';
import { openAuthenticatedHub, type AuthenticatedHub } from '../../testing/authenticated-hub.ts';

/** The received text of a raw connection, and whether it has ended. */
interface Line {
  readonly socket: Socket;
  text: string;
  isOver: boolean;
}

function line(hub: AuthenticatedHub, localAddress = '127.0.0.1', secure = false): Line {
  const options = { host: '127.0.0.1', port: hub.port, localAddress };
  const socket = secure ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
  const made: Line = { socket, text: '', isOver: false };
  socket.on('data', (bytes) => (made.text += bytes.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (made.isOver = true));
  onTestFinished(() => void socket.destroy());
  return made;
}

/** Connections without a request. */
async function silent(hub: AuthenticatedHub, count: number, localAddress?: string): Promise<Line[]> {
  const lines: Line[] = [];
  for (let index = 0; index < count; index++) {
    const one = line(hub, localAddress);
    await once(one.socket, 'connect');
    lines.push(one);
  }
  return lines;
}

const REQUEST = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** The response to a request on a connection of its own. */
async function asked(hub: AuthenticatedHub, localAddress?: string, secure = false): Promise<string> {
  const one = line(hub, localAddress, secure);
  one.socket.write(REQUEST);
  await vi.waitFor(() => expect(one.isOver).toBe(true), 5000);
  return one.text;
}

test('silent connections of one address are counted; the next ones are refused, and further ones closed', async () => {
  const hub = await openAuthenticatedHub({ limits: { socketsPerAddressMax: 3 } });
  const lines = await silent(hub, 3);
  const refused = await asked(hub);
  expect(refused).toMatch(/^HTTP\/1\.1 429 /);
  expect(refused).toMatch(/^retry-after: 5\r$/im);
  expect(refused).toContain('"code":"too_many_connections"');
  const refusedLines = await silent(hub, 16);
  const beyond = line(hub);
  await vi.waitFor(() => expect(beyond.isOver).toBe(true), 5000);
  expect(beyond.text).toBe('');
  expect(refusedLines.filter(({ isOver }) => isOver)).toHaveLength(0);
  // Other addresses are not limited.
  expect(await asked(hub, '127.0.0.2')).toMatch(/^HTTP\/1\.1 200 /);
  for (const { socket } of [...lines, ...refusedLines]) socket.destroy();
  await vi.waitFor(async () => expect(await asked(hub)).toMatch(/^HTTP\/1\.1 200 /), 5000);
  const metrics = await (await fetch(`${hub.url}/metrics`)).text();
  expect(Number(/^polycast_connections_refused_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThanOrEqual(18);
});

test('connections that became streams are counted until they end', async () => {
  const hub = await openAuthenticatedHub({ limits: { socketsPerAddressMax: 2 } });
  for (let round = 0; round < 3; round++) {
    const streams = await silent(hub, 2);
    for (const { socket } of streams)
      socket.write('GET /v1/events?channel=news.a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    for (const stream of streams) await vi.waitFor(() => expect(stream.text).toContain('polycast.ready'), 5000);
    expect(await asked(hub)).toMatch(/^HTTP\/1\.1 429 /);
    for (const { socket } of streams) socket.destroy();
    await vi.waitFor(async () => expect(await asked(hub)).toMatch(/^HTTP\/1\.1 200 /), 5000);
  }
});

test('an upgrade on such a connection is refused as well', async () => {
  const hub = await openAuthenticatedHub({ limits: { socketsPerAddressMax: 1 } });
  await silent(hub, 1);
  expect(await hub.socket('channel=news.a').waitForRefusal()).toBe(429);
});

test('connections with TLS are counted before the handshake', async () => {
  const hub = await openAuthenticatedHub({ limits: { socketsPerAddressMax: 2 }, tls: certificate() });
  await silent(hub, 2);
  expect(await asked(hub, undefined, true)).toMatch(/^HTTP\/1\.1 429 /);
  await silent(hub, 16);
  expect(await asked(hub, undefined, true)).toBe('');
  expect(await asked(hub, '127.0.0.2', true)).toMatch(/^HTTP\/1\.1 200 /);
});

test('connections of trusted proxies are not limited', async () => {
  const hub = await openAuthenticatedHub({ limits: { socketsPerAddressMax: 1 }, trustedProxies: ['127.0.0.2'] });
  await silent(hub, 5, '127.0.0.2');
  expect(await asked(hub, '127.0.0.2')).toMatch(/^HTTP\/1\.1 200 /);
});

function certificate(): { readonly certificateFile: string; readonly keyFile: string } {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-sockets-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const files = { certificateFile: join(folder, 'certificate.pem'), keyFile: join(folder, 'key.pem') };
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const out = ['-subj', '/CN=localhost', '-keyout', files.keyFile, '-out', files.certificateFile];
  execFileSync('openssl', ['req', ...kind, ...out], { stdio: 'ignore' });
  return files;
}

test('where only public addresses are counted, those of this machine and of private networks are not', () => {
  const limit = new SocketLimit(1, new TrustedProxies(['192.0.2.0/24'], 'x-forwarded-for'), true);
  const refusal = (remoteAddress: string): string | undefined => {
    const sockets = [new Socket(), new Socket()].map((each) =>
      Object.defineProperty(each, 'remoteAddress', { value: remoteAddress }),
    );
    for (const each of sockets) limit.add(each);
    return limit.refusalOf(sockets[1] as Socket)?.code;
  };
  expect(['198.51.100.7', '::ffff:198.51.100.8', '2001:db8::1'].map(refusal)).toEqual(
    Array(3).fill('too_many_connections'),
  );
  const own = [
    '127.0.0.1',
    '::1',
    '::ffff:127.0.0.1',
    '10.1.2.3',
    '172.17.0.1',
    '192.168.1.1',
    'fd00::1',
    'fe80::1%eth0',
  ];
  // A trusted proxy with a public address does not count as a client.
  expect([...own, '192.0.2.1'].map(refusal)).toEqual(Array(own.length + 1).fill(undefined));
});
