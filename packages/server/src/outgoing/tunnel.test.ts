import { createServer as createSecureServer } from 'node:https';
import { describe, expect, test } from 'vitest';
import { listenUntilTestEnds, openTcpServer, openWebServer } from '../testing/test-servers.ts';
import type { ResolveName } from './destinations/name-resolver.ts';
import { createGuardedFetch } from './guarded-fetch.ts';
import { selfSigned } from './testing/certificates.ts';
import { proxyTo } from './testing/proxy.ts';
import { DEFAULTS, post, testSender } from './testing/test-sender.ts';

const OWN = selfSigned({ names: 'DNS:hooks.example' });
const PUBLIC: ResolveName = async () => [{ address: '1.1.1.1', family: 4 }];

async function secureSite(): Promise<number> {
  return listenUntilTestEnds(
    createSecureServer(OWN, (request, response) => response.end(`${request.headers.host} is safe`)),
  );
}

describe('through a proxy', () => {
  test('a public host is reached at the checked address, with TLS to the host itself', async () => {
    const { proxy, asked } = await proxyTo(await secureSite());
    const sender = testSender({ proxy, resolve: PUBLIC, authorities: [OWN.cert] });
    for (let round = 0; round < 2; round++)
      expect((await sender.send(post('https://hooks.example/a'))).answer?.body).toBe('hooks.example is safe');
    expect(asked).toEqual([{ authority: '1.1.1.1:443', credentials: undefined }]);
    const other = await testSender({ proxy, resolve: PUBLIC, authorities: [OWN.cert] }).send(
      post('https://other.example/'),
    );
    expect(other).toMatchObject({ failure: 'certificate' });
  });

  test('plain http goes through a tunnel as well', async () => {
    const { port } = await openWebServer((request, response) => response.end(`${request.method} ${request.url}`));
    const { proxy, asked } = await proxyTo(port);
    const sender = testSender({ proxy, resolve: async () => [{ address: '2606:4700::1111', family: 6 }] });
    expect((await sender.send(post('http://hooks.example/a?b'))).answer?.body).toBe('POST /a?b');
    expect(asked[0]?.authority).toBe('[2606:4700::1111]:80');
  });

  test('that decides by names receives the name, after its addresses were checked', async () => {
    const { proxy, asked } = await proxyTo(await secureSite());
    const settings = { proxy, proxyConnectTo: 'name', authorities: [OWN.cert] } as const;
    const sender = testSender({ ...settings, resolve: PUBLIC });
    expect((await sender.send(post('https://hooks.example/'))).answer?.status).toBe(200);
    expect(asked[0]?.authority).toBe('hooks.example:443');
    const inside = testSender({ ...settings, resolve: async () => [{ address: '10.0.0.1', family: 4 }] });
    expect((await inside.send(post('https://hooks.example/'))).failure).toBe('destination');
    expect(asked).toHaveLength(1);
  });

  test('with a password only the proxy receives the password', async () => {
    const headers: string[] = [];
    const { port } = await openWebServer((request, response) => {
      headers.push(...request.rawHeaders);
      response.end();
    });
    const { proxy, asked } = await proxyTo(port);
    const own = proxy.replace('//', '//me%40corp:s%3Acret@');
    await testSender({ proxy: own, resolve: PUBLIC }).send(post('http://hooks.example/'));
    expect(asked[0]?.credentials).toBe(`Basic ${Buffer.from('me@corp:s:cret').toString('base64')}`);
    expect(headers.map((header) => header.toLowerCase())).not.toContain('proxy-authorization');
  });

  test('documents for the hub itself are fetched as well', async () => {
    const { proxy, asked } = await proxyTo(await secureSite());
    const fetcher = createGuardedFetch({ ...DEFAULTS, proxy, resolve: PUBLIC, authorities: [OWN.cert] });
    const { body } = await fetcher.fetch('https://hooks.example/', { timeoutMs: 60_000, bytesMax: 100 });
    expect(body.toString()).toBe('hooks.example is safe');
    expect(asked).toHaveLength(1);
    await fetcher.close();
  });
});

describe('the guard checks a URL before the proxy receives it', () => {
  test.each([
    'https://127.0.0.1/',
    'https://10.0.0.1/',
    'https://[::1]/',
    'https://inside.example/',
    'https://1.1.1.1:22/',
  ])('%s', async (url) => {
    const { proxy, asked } = await proxyTo(1);
    const sender = testSender({ proxy, resolve: async () => [{ address: '192.168.0.1', family: 4 }] });
    expect((await sender.send(post(url))).failure).toBe('destination');
    expect(asked).toEqual([]);
  });

  test('a private destination in the allow list is reached directly', async () => {
    const { url, port } = await openWebServer((_request, response) => response.end('direct'));
    const { proxy, asked } = await proxyTo(1);
    const sender = testSender({ proxy, allow: [`127.0.0.1:${port}`] });
    expect(await sender.send(post(url))).toMatchObject({ answer: { body: 'direct' }, isPrivateAddress: true });
    expect(asked).toEqual([]);
  });
});

describe('a failing proxy is reported without its answer', () => {
  test.each<[how: string, said: string]>([
    ['refuses', 'HTTP/1.1 403 Forbidden by rule 7\r\nContent-Length: 6\r\n\r\nsecret'],
    ['requires authentication', 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\nsecret'],
    ['speaks no HTTP', 'SSH-2.0-secret\r\n\r\n'],
    ['never ends', `HTTP/1.1 200 OK\r\n${'X-Fill: secret\r\n'.repeat(5000)}`],
  ])('%s', async (_how, said) => {
    const proxy = await openTcpServer((socket) => socket.write(said));
    const sent = await testSender({ proxy, resolve: PUBLIC }).send(post('https://hooks.example/'));
    expect(sent).toMatchObject({ failure: 'connection', detail: expect.stringContaining('the proxy') });
    expect(JSON.stringify(sent)).not.toMatch(/secret|rule 7/);
  });

  test('disconnects, or is down', async () => {
    const proxy = await openTcpServer((socket) => socket.destroy());
    for (const each of [proxy, 'http://127.0.0.1:1']) {
      const sent = await testSender({ proxy: each, resolve: PUBLIC }).send(post('https://hooks.example/'));
      expect(sent).toMatchObject({ failure: 'connection', detail: expect.stringContaining('the proxy') });
    }
  });

  test('sends nothing until the deadline', async () => {
    const proxy = await openTcpServer(() => undefined);
    const sender = testSender({ proxy, resolve: PUBLIC });
    expect((await sender.send(post('https://hooks.example/', { timeoutMs: 100 }))).failure).toBe('timeout');
    await expect.poll(() => sender.metrics.open).toBe(0);
  });
});
