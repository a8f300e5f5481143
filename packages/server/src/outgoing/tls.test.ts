import { createServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { listenUntilTestEnds, openWebServer } from '../testing/test-servers.ts';
import { selfSigned } from './testing/certificates.ts';
import { post, testSender } from './testing/test-sender.ts';

const OWN = selfSigned({ names: 'DNS:hooks.example,DNS:localhost' });
const EXPIRED = selfSigned({ names: 'DNS:localhost', isExpired: true });

interface Greeting {
  readonly servername: unknown;
  readonly protocol: string | null;
  readonly isResumed: boolean;
}

/** A TLS server that records the properties of each handshake. */
async function secureSite(options: TlsOptions): Promise<{ readonly port: number; readonly greetings: Greeting[] }> {
  const greetings: Greeting[] = [];
  const server = createServer(options, (_request, response) => response.end('safe'));
  server.on('secureConnection', (socket: TLSSocket) => {
    const { servername } = socket as unknown as { servername: unknown };
    greetings.push({ servername, protocol: socket.getProtocol(), isResumed: socket.isSessionReused() });
  });
  server.on('tlsClientError', () => undefined);
  return { port: await listenUntilTestEnds(server), greetings };
}

describe('a certificate', () => {
  test('that is trusted, for the requested name, is accepted', async () => {
    const { port, greetings } = await secureSite(OWN);
    const sender = testSender({ loopback: true, authorities: [OWN.cert] });
    const { answer, timing } = await sender.send(post(`https://localhost:${port}/`));
    expect(answer?.body).toBe('safe');
    expect(timing.tlsMs).toBeGreaterThan(0);
    expect(timing.totalMs).toBeGreaterThanOrEqual((timing.connectMs ?? NaN) + (timing.tlsMs ?? NaN));
    expect(greetings).toEqual([{ servername: 'localhost', protocol: 'TLSv1.3', isResumed: false }]);
  });

  test.each<[kind: string, options: TlsOptions, host: string, authorities: string[]]>([
    ['of an unknown authority', OWN, 'localhost', []],
    ['of another name', OWN, 'a.localhost', [OWN.cert]],
    ['of a name, for an address', OWN, '127.0.0.1', [OWN.cert]],
    ['that has expired', EXPIRED, 'localhost', [EXPIRED.cert]],
  ])('%s is refused, and nothing is sent', async (_kind, options, host, authorities) => {
    const { port, greetings } = await secureSite(options);
    const sent = await testSender({ loopback: true, authorities }).send(post(`https://${host}:${port}/`));
    expect(sent).toMatchObject({ failure: 'certificate', answer: undefined, detail: expect.stringContaining(host) });
    expect(greetings.every(({ protocol }) => protocol !== null)).toBe(true);
  });
});

describe('a server without valid TLS', () => {
  test('that uses an old version', async () => {
    const { port } = await secureSite({
      ...OWN,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const sender = testSender({ loopback: true, authorities: [OWN.cert] });
    expect(await sender.send(post(`https://localhost:${port}/`))).toMatchObject({ failure: 'certificate' });
  });

  test('that speaks plain http', async () => {
    const { port } = await openWebServer((_request, response) => response.end());
    const sender = testSender({ loopback: true });
    expect(await sender.send(post(`https://localhost:${port}/`))).toMatchObject({ failure: 'certificate' });
  });

  test('that closes the connection, or sends nothing', async () => {
    const closing = await listenUntilTestEnds(createTcpServer((socket) => socket.once('data', () => socket.destroy())));
    const silent = await listenUntilTestEnds(createTcpServer());
    const sender = testSender({ loopback: true });
    expect(await sender.send(post(`https://localhost:${closing}/`))).toMatchObject({ failure: 'connection' });
    const sent = await sender.send(post(`https://localhost:${silent}/`, { timeoutMs: 100 }));
    expect(sent).toMatchObject({ failure: 'timeout', timing: { connectMs: undefined } });
    await expect.poll(() => sender.metrics.open).toBe(0);
  });
});

test('the next connection to a host resumes the TLS session of the last one', async () => {
  const { port, greetings } = await secureSite(OWN);
  const sender = testSender({ loopback: true, authorities: [OWN.cert] });
  const url = `https://localhost:${port}/`;
  await sender.send(post(url, { headers: { connection: 'close' } }));
  await sender.send(post(url, { headers: { connection: 'close' } }));
  expect(greetings.map(({ isResumed }) => isResumed)).toEqual([false, true]);
});
