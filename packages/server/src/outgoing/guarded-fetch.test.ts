import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SPECIAL_BLOCKS } from './destinations/addresses.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { listenUntilTestEnds, openWebServer } from '../testing/test-servers.ts';
import { DEFAULTS } from './testing/test-sender.ts';
import {
  createGuardedFetch,
  type GuardedFetch,
  type GuardedFetchOptions,
  type OutgoingRequest,
} from './guarded-fetch.ts';

const BOUNDS: OutgoingRequest = { timeoutMs: 60_000, bytesMax: 1000 };

function guard(options: Partial<GuardedFetchOptions> = {}): GuardedFetch {
  const made = createGuardedFetch({ ...DEFAULTS, ...options });
  onTestFinished(() => made.close());
  return made;
}

function failing(failure: string): object {
  return expect.objectContaining({ name: 'OutgoingError', failure }) as object;
}

describe('an allowed URL', () => {
  test('is fetched, with its status, headers and body', async () => {
    const { url } = await openWebServer((request, response) => {
      response.writeHead(203, { 'X-Asked': `${request.method} ${request.url} ${request.headers['x-mine']}` });
      request.pipe(response);
    });
    const answer = await guard({ loopback: true }).fetch(`${url}/a?b=1`, {
      ...BOUNDS,
      method: 'POST',
      headers: { 'x-mine': '7' },
      body: 'hello',
    });
    expect(answer).toMatchObject({ status: 203, headers: { 'x-asked': 'POST /a?b=1 7' } });
    expect(answer.body.toString()).toBe('hello');
  });

  test('does not follow a redirect', async () => {
    const paths: (string | undefined)[] = [];
    const { url } = await openWebServer((request, response) => {
      paths.push(request.url);
      response.writeHead(302, { Location: '/elsewhere' }).end();
    });
    expect(await guard({ loopback: true }).fetch(url, BOUNDS)).toMatchObject({ status: 302 });
    expect(paths).toEqual(['/']);
  });

  test('in the allow list may be this machine, on that port alone', async () => {
    const { url, port } = await openWebServer((_request, response) => response.end('here'));
    const other = await openWebServer((_request, response) => response.end('not here'));
    const some = guard({ allow: [`127.0.0.1:${port}`] });
    expect((await some.fetch(url, BOUNDS)).body.toString()).toBe('here');
    await expect(some.fetch(other.url, BOUNDS)).rejects.toEqual(failing('destination'));
  });

  test('with an allowed name is fetched from the address that the lookup returned', async () => {
    const { port } = await openWebServer((request, response) => response.end(request.headers.host));
    const some = guard({
      allow: [`idp.corp.example:${port}`],
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    });
    expect((await some.fetch(`http://idp.corp.example:${port}`, BOUNDS)).body.toString()).toBe(
      `idp.corp.example:${port}`,
    );
  });
});

describe('a forbidden URL is not connected to', () => {
  const own = SPECIAL_BLOCKS.map(([block]) => block.split('/')[0] as string).map((address) =>
    address.includes(':') ? `[${address}]` : address,
  );
  const disguised =
    '0x7f000001 2130706433 0177.0.0.1 127.1 ①②⑦.0.0.1 127。0。0。1 [::ffff:127.0.0.1] [::ffff:a9fe:a9fe] localhost localhost. a.localhost 0 [::] [::127.0.0.1]';

  test.each([...own, ...disguised.split(' ')])('http://%s', async (host) => {
    const neverAsked = (): never => {
      throw new Error('a name server was asked');
    };
    const closed = guard({ resolve: neverAsked });
    for (const scheme of ['http', 'https'])
      await expect(closed.fetch(`${scheme}://${host}/`, BOUNDS)).rejects.toEqual(failing('destination'));
  });

  test.each([
    ['that is private', ['10.0.0.1']],
    ['of the machine itself', ['::1']],
    ['both public and private', ['1.1.1.1', '192.168.0.1']],
    ['private and public', ['fd00::1', '2606:4700::1111']],
  ])('a name with an address %s', async (_kind, addresses) => {
    const resolve: GuardedFetchOptions['resolve'] = async () =>
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    await expect(guard({ resolve }).fetch('https://rebind.example/', BOUNDS)).rejects.toEqual(failing('destination'));
  });

  test('a name that resolves to another address next time: it is looked up once, and that address is used', async () => {
    const { port } = await openWebServer((_request, response) => response.end('first'));
    let lookUps = 0;
    const resolve: GuardedFetchOptions['resolve'] = async () => [
      { address: lookUps++ === 0 ? '127.0.0.1' : '10.0.0.1', family: 4 },
    ];
    const some = guard({ allow: [`127.0.0.1:${port}`], resolve });
    expect((await some.fetch(`http://rebind.example:${port}`, BOUNDS)).body.toString()).toBe('first');
    expect(lookUps).toBe(1);
  });

  test.each([
    'ftp://a.example',
    'file:///etc/passwd',
    'gopher://a.example',
    'https://a:b@a.example',
    'https://a@a.example',
    'a.example',
    '',
    'http://',
  ])('"%s" is refused as a URL', async (url) => {
    await expect(guard({ loopback: true }).fetch(url, BOUNDS)).rejects.toEqual(failing('url'));
  });

  test('a port that is not used for HTTP', async () => {
    const resolve: GuardedFetchOptions['resolve'] = async () => [{ address: '1.1.1.1', family: 4 }];
    await expect(guard({ resolve }).fetch('http://a.example:6379/', BOUNDS)).rejects.toEqual(failing('destination'));
  });

  test('plain http, if TLS is required and the host is not in the allow list by name', async () => {
    const resolve: GuardedFetchOptions['resolve'] = async () => [{ address: '10.0.0.1', family: 4 }];
    const some = guard({ allow: ['10.0.0.0/8'], resolve });
    await expect(some.fetch('http://a.example/', { ...BOUNDS, tlsOnly: true })).rejects.toEqual(failing('url'));
  });
});

describe('a misbehaving server fails the request', () => {
  const own = { loopback: true };

  test('a body announced as longer than the limit', async () => {
    const { url } = await openWebServer((_request, response) => {
      response.writeHead(200, { 'Content-Length': 1e9 });
      response.write('x');
    });
    await expect(guard(own).fetch(url, BOUNDS)).rejects.toEqual(failing('too_large'));
  });

  test('a body that continues beyond the limit', async () => {
    let sent = 0;
    const { url } = await openWebServer((request, response) => {
      const more = (): void => {
        while (!request.socket.destroyed && response.write(Buffer.alloc(65_536))) sent += 65_536;
      };
      response.on('drain', more);
      more();
    });
    await expect(guard(own).fetch(url, BOUNDS)).rejects.toEqual(failing('too_large'));
    expect(sent).toBeLessThan(16e6);
  });

  test('a body of exactly the limit is accepted', async () => {
    const { url } = await openWebServer((_request, response) => response.end('x'.repeat(1000)));
    expect((await guard(own).fetch(url, BOUNDS)).body.length).toBe(1000);
  });

  test.each<[how: string, listener: RequestListener]>([
    ['never', () => undefined],
    ['with headers and no body', (_request, response) => void response.writeHead(200).write('')],
    [
      'a byte at a time, each well before the deadline',
      (_request, response) => {
        const dripping = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(dripping));
      },
    ],
    [
      'with one provisional answer after the other',
      (_request, response) => {
        const dripping = setInterval(() => response.writeProcessing(), 20);
        response.on('close', () => clearInterval(dripping));
      },
    ],
  ])('%s: one deadline for all', async (_how, listener) => {
    const { url } = await openWebServer(listener);
    await expect(guard(own).fetch(url, { ...BOUNDS, timeoutMs: 150 })).rejects.toEqual(failing('timeout'));
  });

  test('a name server that does not answer', async () => {
    const resolve: GuardedFetchOptions['resolve'] = () => new Promise(() => undefined);
    await expect(guard({ resolve }).fetch('https://a.example', { ...BOUNDS, timeoutMs: 50 })).rejects.toEqual(
      failing('timeout'),
    );
  });

  test('an unknown name', async () => {
    const resolve: GuardedFetchOptions['resolve'] = () => Promise.reject(new Error('ENOTFOUND'));
    await expect(guard({ resolve }).fetch('https://a.example', BOUNDS)).rejects.toEqual(failing('name_not_found'));
    await expect(guard({ resolve: async () => [] }).fetch('https://a.example', BOUNDS)).rejects.toEqual(
      failing('name_not_found'),
    );
  });

  test('compressed without a request for it', async () => {
    const { url } = await openWebServer((_request, response) =>
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x'),
    );
    await expect(guard(own).fetch(url, BOUNDS)).rejects.toEqual(failing('answer'));
  });

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n'],
    ['headers without end', `HTTP/1.1 200 OK\r\n${'X-Fill: x\r\n'.repeat(10_000)}`],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'],
  ])('%s', async (_what, bytes) => {
    const port = await listenUntilTestEnds(
      createTcpServer((socket) => void socket.on('error', () => undefined).write(bytes)),
    );
    await expect(guard(own).fetch(`http://127.0.0.1:${port}`, BOUNDS)).rejects.toEqual(failing('answer'));
  });

  test.each([
    ['before the answer', ''],
    ['within the answer', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
  ])('a connection that ends %s', async (_when, bytes) => {
    const port = await listenUntilTestEnds(
      createTcpServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end(bytes))),
    );
    await expect(guard(own).fetch(`http://127.0.0.1:${port}`, BOUNDS)).rejects.toEqual(failing('connection'));
  });

  test('no server there', async () => {
    // Another test may already use a port that was free a moment ago.
    await expect(guard(own).fetch('http://127.0.0.1:9', BOUNDS)).rejects.toEqual(failing('connection'));
  });
});

describe('over TLS', () => {
  test('an untrusted certificate is refused; one of a trusted authority is accepted for its own name only', async () => {
    const folder = temporaryFolder();
    const files = { keyout: join(folder, 'key.pem'), out: join(folder, 'certificate.pem') };
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '1',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
        '-keyout',
        files.keyout,
        '-out',
        files.out,
      ],
      { stdio: 'ignore' },
    );
    const cert = readFileSync(files.out, 'utf8');
    const server = createSecureServer({ cert, key: readFileSync(files.keyout) }, (_request, response) =>
      response.end('safe'),
    );
    const port = await listenUntilTestEnds(server);
    await expect(guard({ loopback: true }).fetch(`https://localhost:${port}`, BOUNDS)).rejects.toEqual(
      failing('certificate'),
    );
    const trusting = guard({ loopback: true, authorities: [cert] });
    expect((await trusting.fetch(`https://localhost:${port}`, { ...BOUNDS, tlsOnly: true })).body.toString()).toBe(
      'safe',
    );
    await expect(trusting.fetch(`https://127.0.0.1:${port}`, BOUNDS)).rejects.toEqual(failing('certificate'));
  });
});
